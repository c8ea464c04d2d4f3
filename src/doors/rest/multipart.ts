// Takes a multipart form apart that has come whole. It knows the form's limits and none of its names.
import { Busboy, type BusboyHeaders } from '@fastify/busboy';

/** A field, or a file when it was sent with a name of one. */
export type Part =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly filename: string; readonly data: Buffer };

/** Of fields and files, and bytes of one field. A file is as large as the body may be. */
const LIMITS = { fieldSize: 1024 * 1024, fields: 500, files: 10, parts: 510 };

const NOTHING = Buffer.alloc(0);

/**
 * The parts of a form (RFC 7578) in their order, given its `Content-Type` with the boundary in it: `too_large` for more or longer
 * ones than we take, `malformed` for what is no form.
 */
export function splitForm(contentType: string, bytes: Buffer): Promise<readonly Part[] | 'too_large' | 'malformed'> {
  return new Promise((resolve) => {
    const headers: BusboyHeaders = { 'content-type': contentType };
    const parts: Part[] = [];
    const malformed = () => resolve('malformed');
    const tooLarge = () => resolve('too_large');
    let parser: InstanceType<typeof Busboy>;
    try {
      parser = new Busboy({ headers, limits: LIMITS, isPartAFile: (_name, _type, filename) => filename !== undefined });
    } catch {
      // No boundary, or one that cannot be.
      return malformed();
    }
    parser.on('field', (name, value, _isNameCut, isValueCut) => {
      if (isValueCut) tooLarge();
      else parts.push({ name, value });
    });
    parser.on('file', (name, file, filename) => {
      const chunks: Buffer[] = [];
      // Its bytes may come after the next part's beginning, its place is here.
      const at = parts.push({ name, filename, data: NOTHING }) - 1;
      file.on('data', (chunk: Buffer) => chunks.push(chunk));
      file.on('end', () => {
        parts[at] = { name, filename, data: Buffer.concat(chunks) };
      });
      file.on('error', malformed);
    });
    for (const limit of ['fieldsLimit', 'filesLimit', 'partsLimit'] as const) parser.on(limit, tooLarge);
    parser.on('error', malformed);
    parser.on('finish', () => resolve(parts));
    parser.end(bytes);
  });
}
