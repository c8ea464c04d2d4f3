// The keys by which clients know this server: ed25519, ECDSA and RSA, made at the first start and kept beside the instance keys,
// in the form that ssh2 and OpenSSH's sshd both read. Several nodes that share the folder agree on one set.
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { randomHex } from '../../kernel/random.ts';

export interface HostKey {
  readonly path: string;
  /** OpenSSH private key text; never logged */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string;
}

const KEYS = [
  { name: 'ssh_host_ed25519_key', make: (done: Done) => ssh2.utils.generateKeyPair('ed25519', done) },
  { name: 'ssh_host_ecdsa_key', make: (done: Done) => ssh2.utils.generateKeyPair('ecdsa', { bits: 256 }, done) },
  { name: 'ssh_host_rsa_key', make: (done: Done) => ssh2.utils.generateKeyPair('rsa', { bits: 3072 }, done) },
] as const;

type Pair = { readonly private: string; readonly public: string };
type Done = (error: Error | null, pair: Pair) => void;

/** The host keys in `folder`, best first; what is missing is made (0600). Throws when the folder or a key cannot be used. */
export async function loadHostKeys(folder: string): Promise<HostKey[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return Promise.all(KEYS.map(({ name, make }) => loadOrMake(join(folder, name), make)));
}

async function loadOrMake(path: string, make: (done: Done) => void): Promise<HostKey> {
  let privateKey = await readIfThere(path);
  if (privateKey === null) {
    await publish(path, (await pairFrom(make)).private);
    privateKey = await readFile(path, 'utf8');
  }
  await chmod(path, 0o600);
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error || Array.isArray(parsed))
    throw new Error(`the SSH host key ${path} is damaged or has a passphrase`);
  const publicKey = `${parsed.type} ${parsed.getPublicSSH().toString('base64')}`;
  if ((await readIfThere(`${path}.pub`)) === null) await publish(`${path}.pub`, `${publicKey} keyward\n`);
  return { path, privateKey, publicKey };
}

// Now and then ssh2 writes an ed25519 or ECDSA key whose number begins with zero bytes in a form that it cannot read itself.
async function pairFrom(make: (done: Done) => void): Promise<Pair> {
  for (let attempt = 0; ; attempt += 1) {
    const pair = await new Promise<Pair>((resolve, reject) =>
      make((error, made) => (error ? reject(error) : resolve(made))),
    );
    if (isSound(pair)) return pair;
    if (attempt === 20) throw new Error('no SSH host key could be made');
  }
}

function isSound(pair: Pair): boolean {
  const [own, open] = [ssh2.utils.parseKey(pair.private), ssh2.utils.parseKey(pair.public)];
  if (own instanceof Error || open instanceof Error || Array.isArray(own) || Array.isArray(open)) return false;
  const sample = Buffer.from('keyward');
  const hash = own.type === 'ssh-rsa' ? 'sha512' : undefined;
  return open.verify(sample, own.sign(sample, hash), hash) === true;
}

/** Puts a whole file in place unless another process was first. */
async function publish(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomHex(6)}`;
  await writeFile(draft, text, { mode: 0o600, flush: true, flag: 'wx' });
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(draft, { force: true });
}

async function readIfThere(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}
