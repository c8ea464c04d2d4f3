// LFS pointers: the few lines that git keeps in place of a large file. Reads one, and finds the object behind it in the same
// repository; a text that only resembles a pointer is a file like any other.
import type { Allowed } from '../access/allowed.ts';
import { type LfsHouse, type Oid, openLfsObject, parseOid } from './lfs-objects.ts';

/** No pointer is longer: it has less than 1024 bytes (the git-lfs specification). */
export const MOST_POINTER_BYTES = 1023;

/** The version first, then keys in their order, each once; extensions (`ext-0-foo`) stand before the `oid`. */
const POINTER = /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n((?:[a-z0-9.-]+ [^\n]*\n)*)$/;

/** What a pointer names; null for what is none. */
export function parsePointer(bytes: Buffer): { readonly oid: Oid; readonly size: number } | null {
  if (bytes.length > MOST_POINTER_BYTES) return null;
  const text = bytes.toString('latin1');
  const lines = POINTER.exec(text)?.[1]?.split('\n').slice(0, -1);
  const keys = lines?.map((line) => line.slice(0, line.indexOf(' ')));
  if (!keys || keys.some((key, index) => index > 0 && key <= keys[index - 1]!)) return null;
  const oid = parseOid(/^oid sha256:([^\n]*)$/m.exec(text)?.[1]);
  const size = /^size ([0-9]{1,15})$/m.exec(text)?.[1];
  return oid === null || size === undefined ? null : { oid, size: Number(size) };
}

/** The object behind a pointer; null when the text is none, or this repository does not hold the object. */
export async function openPointed(
  house: Pick<LfsHouse, 'db' | 'blobs'>,
  allowed: Allowed<'file:read'>,
  bytes: Buffer,
): ReturnType<typeof openLfsObject> {
  const pointer = parsePointer(bytes);
  return pointer && openLfsObject(house, allowed, pointer.oid);
}
