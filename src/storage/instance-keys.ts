// The instance keys: what makes a stolen database useless. They lie in a folder outside the database, one file a version,
// and give two things: keyed digests (HMAC-SHA-256) and sealing (AES-256-GCM). Old versions still verify and open.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '../kernel/secret.ts';

const FILE = /^instance-(\d+)\.key$/;

interface KeyPair {
  readonly digest: Buffer;
  readonly seal: Buffer;
}

export interface Sealed {
  readonly sealed: string;
  readonly keyId: number;
}

export class InstanceKeys {
  readonly #keys: ReadonlyMap<number, KeyPair>;
  /** the version that new digests and seals are made with */
  readonly current: number;

  constructor(secrets: ReadonlyMap<number, Buffer>) {
    if (secrets.size === 0) throw new Error('there is no instance key');
    const derive = (secret: Buffer, use: string) =>
      Buffer.from(hkdfSync('sha256', secret, '', `keyward ${use} v1`, 32));
    this.#keys = new Map(
      [...secrets].map(([id, secret]) => [id, { digest: derive(secret, 'digest'), seal: derive(secret, 'seal') }]),
    );
    this.current = Math.max(...secrets.keys());
  }

  /** All versions, newest first: the order in which a presented text is tried. */
  versions(): number[] {
    return [...this.#keys.keys()].sort((a, b) => b - a);
  }

  /** The keyed digest of `text` for one `purpose`, as 64 hex characters. Purpose and text cannot run into each other. */
  digest(purpose: string, text: string, version: number = this.current): string {
    const name = Buffer.from(purpose);
    return createHmac('sha256', this.#key(version).digest)
      .update(Buffer.from([name.length]))
      .update(name)
      .update(text)
      .digest('hex');
  }

  /** Seals `secret` so that only this instance can open it, and only where `context` is the same. */
  seal(context: string, secret: Secret): Sealed {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.current).seal, nonce);
    cipher.setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final()]);
    return { sealed: Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64'), keyId: this.current };
  }

  /** Opens what `seal` closed. Throws when it was altered, moved to another context, or its key is gone. */
  open(context: string, sealed: Sealed): Secret {
    const bytes = Buffer.from(sealed.sealed, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', this.#key(sealed.keyId).seal, bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return new Secret(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8'));
  }

  #key(version: number): KeyPair {
    const key = this.#keys.get(version);
    if (!key) throw new Error(`instance key version ${version} is missing from the keys folder`);
    return key;
  }
}

/**
 * Reads the instance keys from `folder`, making the folder (0700) and a first key (0600) when there is none. Two processes
 * that start together agree on one key: the file is written whole under another name and then linked.
 */
export function loadInstanceKeys(folder: string): InstanceKeys {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const files = () => readdirSync(folder).filter((name) => FILE.test(name));
  if (files().length === 0) {
    const draft = join(folder, `.draft-${process.pid}-${randomBytes(4).toString('hex')}`);
    writeFileSync(draft, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flush: true });
    try {
      linkSync(draft, join(folder, 'instance-1.key'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      unlinkSync(draft);
    }
  }
  const secrets = new Map<number, Buffer>();
  for (const name of files()) {
    const path = join(folder, name);
    const text = readFileSync(path, 'utf8').trim();
    if (!/^[0-9a-f]{64}$/.test(text))
      throw new Error(`the instance key ${path} is damaged: it must be 64 hex characters`);
    chmodSync(path, 0o600);
    secrets.set(Number(FILE.exec(name)![1]), Buffer.from(text, 'hex'));
  }
  return new InstanceKeys(secrets);
}
