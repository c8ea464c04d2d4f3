// Reads the small JSON body of an LFS request. It knows its size and its shape as an object, and no field.
import { fail } from '../../kernel/faults.ts';
import { bodyOf, type Exchange } from './exchange.ts';

/** A batch of ten thousand objects fits. */
const MOST = 1024 * 1024;

/** The body as an object; an empty body is `{}`. Faults for what is too large, packed or no JSON object. */
export async function readLfsBody({ request }: Exchange): Promise<Readonly<Record<string, unknown>>> {
  const input = bodyOf(request);
  if (input === null) return fail({ code: 'bad_request', reason: 'The encoding of the request is not supported.' });
  const chunks: Buffer[] = [];
  let size = 0;
  // Ended by hand: leaving a loop over the request early would close the connection that the answer needs.
  await new Promise<void>((done, failed) => {
    input.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MOST) chunks.push(chunk);
      else {
        input.pause();
        done();
      }
    });
    input.once('end', done);
    input.once('error', failed);
    input.once('close', done);
  });
  if (size > MOST) fail({ code: 'unprocessable', reason: 'The request is too large.' });
  if (size === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return fail({ code: 'bad_request', reason: 'The request is not valid JSON.' });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail({ code: 'bad_request', reason: 'The request is not a JSON object.' });
  return value as Record<string, unknown>;
}
