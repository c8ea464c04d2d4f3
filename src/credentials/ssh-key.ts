// Reads one line of an SSH public key as it stands in `id_ed25519.pub`: its type and length, taken from the blob itself, and its
// two fingerprints (reference git-and-deploy 6.2). It knows no owner, no table and no setting.
import { createHash, createPublicKey } from 'node:crypto';
import { err, ok, type Result } from '../kernel/result.ts';
import { BlobReader, UnsoundBlob } from './ssh-key-blob.ts';

/** The families that administrators restrict one by one (reference access-tokens 3.5). */
export type SshKeyType = 'rsa' | 'dsa' | 'ecdsa' | 'ed25519' | 'ecdsa_sk' | 'ed25519_sk';

export interface SshPublicKey {
  /** the line as it is kept: without white space around it, with its comment */
  readonly text: string;
  readonly type: SshKeyType;
  /** length of the modulus or of the curve */
  readonly bits: number;
  /** `SHA256:` base64 without padding is how people see it; here without the prefix */
  readonly sha256: string;
  /** 16 lower-case hex pairs joined by `:` */
  readonly md5: string;
}

export const MAX_KEY_TEXT = 5000;
/** The longest modulus that anybody makes; beyond it a key only costs time. */
const MAX_RSA_BITS = 16_384;
const CURVES: Readonly<Record<string, { readonly crv: string; readonly bits: number }>> = {
  nistp256: { crv: 'P-256', bits: 256 },
  nistp384: { crv: 'P-384', bits: 384 },
  nistp521: { crv: 'P-521', bits: 521 },
};

type Read = (blob: BlobReader) => { readonly type: SshKeyType; readonly bits: number };

const ecdsa =
  (curve: string): Read =>
  (blob) => ({ type: 'ecdsa', bits: readPoint(blob, curve) });

/** Certificates (`…-cert-v01@openssh.com`) are no keys and are not here. */
const ALGORITHMS: Readonly<Record<string, Read>> = {
  'ssh-rsa': (blob) => {
    const exponent = blob.positive();
    const modulus = blob.positive();
    const bits = bitLength(modulus);
    if (bitLength(exponent) < 2 || exponent.at(-1)! % 2 === 0 || modulus.at(-1)! % 2 === 0) throw new UnsoundBlob();
    if (bits > MAX_RSA_BITS || bitLength(exponent) > bits) throw new UnsoundBlob();
    return { type: 'rsa', bits };
  },
  'ssh-dss': (blob) => {
    const bits = bitLength(blob.positive());
    for (let rest = 0; rest < 3; rest++) blob.positive();
    return { type: 'dsa', bits };
  },
  'ecdsa-sha2-nistp256': ecdsa('nistp256'),
  'ecdsa-sha2-nistp384': ecdsa('nistp384'),
  'ecdsa-sha2-nistp521': ecdsa('nistp521'),
  'ssh-ed25519': (blob) => {
    blob.bytes(32);
    return { type: 'ed25519', bits: 256 };
  },
  'sk-ecdsa-sha2-nistp256@openssh.com': (blob) => {
    const bits = readPoint(blob, 'nistp256');
    blob.string();
    return { type: 'ecdsa_sk', bits };
  },
  'sk-ssh-ed25519@openssh.com': (blob) => {
    blob.bytes(32);
    blob.string();
    return { type: 'ed25519_sk', bits: 256 };
  },
};

/**
 * Reads the text of a public key, with an optional comment. The blob must name the type that stands before it and hold just what
 * that type asks, nothing behind it. The error follows the name of the field: `is invalid`.
 */
export function parseSshKey(given: string): Result<SshPublicKey, string> {
  const text = given.trim();
  if (text === '') return err("can't be blank");
  if ([...text].length > MAX_KEY_TEXT) return err(`is too long (maximum is ${MAX_KEY_TEXT} characters)`);
  if (/[\u0000-\u001f\u007f\u0085\u2028\u2029]/.test(text)) return err('is invalid');
  const [, algorithm = '', encoded = ''] = /^(\S+) +([A-Za-z0-9+/]+={0,2})(?: .*)?$/u.exec(text) ?? [];
  const read = Object.hasOwn(ALGORITHMS, algorithm) ? ALGORITHMS[algorithm]! : null;
  const blob = Buffer.from(encoded, 'base64');
  if (read === null || blob.toString('base64') !== encoded) return err('is invalid');
  try {
    const reader = new BlobReader(blob);
    if (reader.string().toString('latin1') !== algorithm) return err('is invalid');
    const found = read(reader);
    reader.end();
    return ok({ text, ...found, sha256: sha256Of(blob), md5: md5Of(blob) });
  } catch (error) {
    if (error instanceof UnsoundBlob) return err('is invalid');
    throw error;
  }
}

/** SHA-256 fingerprint of a key's blob: base64 without padding, as stored and looked up. */
export function sha256Of(blob: Uint8Array): string {
  return createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
}

/** MD5 fingerprint of a key's blob: `40:8e:fa:…`. It names a key to people and proves nothing. */
export function md5Of(blob: Uint8Array): string {
  return createHash('md5').update(blob).digest('hex').match(/../g)!.join(':');
}

function bitLength(number: Buffer): number {
  return number.length * 8 - Math.clz32(number[0]!) + 24;
}

/** Reads curve name and point, and checks that the point lies on the curve. Gives the bits of the curve. */
function readPoint(blob: BlobReader, curve: string): number {
  if (blob.string().toString('latin1') !== curve) throw new UnsoundBlob();
  const { crv, bits } = CURVES[curve]!;
  const size = Math.ceil(bits / 8);
  const point = blob.bytes(1 + 2 * size);
  if (point[0] !== 4) throw new UnsoundBlob();
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)].map((part) => part.toString('base64url'));
  try {
    createPublicKey({ key: { kty: 'EC', crv, x: x!, y: y! }, format: 'jwk' });
  } catch {
    throw new UnsoundBlob();
  }
  return bits;
}
