// Tars and zips as they stream: what a header can say, what needs more room than it has, and what is no tar at all. Unpacked by tar
// and unzip in test/clients; here are the sizes that nobody wants to write to a disk.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { BLOCK, padded, readTar, type TarEntry } from '../../src/repositories/tar-entries.ts';
import { type Contents, writeTar } from '../../src/repositories/tar-writer.ts';
import { writeZip } from '../../src/repositories/zip-writer.ts';

const run = promisify(execFile);
const GIB = 1024 ** 3;

async function* chunks(...given: Buffer[]): AsyncGenerator<Buffer> {
  yield* given;
}

/** The bytes of what git archives of these files. */
async function gitTar(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-tar-'));
  try {
    const git = (...args: string[]) =>
      run('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args], {
        cwd: folder,
        encoding: 'buffer',
        maxBuffer: 1e8,
      });
    await git('init', '-q');
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await git('add', '-A');
    await git('commit', '-q', '-m', 'x');
    return (await git('archive', '--format=tar', '--prefix=p/', 'HEAD')).stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* given(
  entries: AsyncIterable<TarEntry>,
  of: (entry: TarEntry) => Contents | null,
): AsyncGenerator<{ entry: TarEntry; contents: Contents | null }> {
  for await (const entry of entries) yield { entry, contents: of(entry) };
}

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of source) all.push(chunk);
  return Buffer.concat(all);
}

it('a tar that nothing is exchanged in comes out as it went in, in whatever pieces it came', async () => {
  const tar = await gitTar({
    a: 'a'.repeat(511),
    b: 'b'.repeat(512),
    c: 'c'.repeat(513),
    ['n'.repeat(200)]: 'x',
    e: '',
  });
  for (const size of [1, 7, 512, 100_000]) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < tar.length; at += size) pieces.push(tar.subarray(at, at + size));
    assert.ok(
      (await collect(writeTar(given(readTar(chunks(...pieces)), () => null)))).equals(tar),
      `pieces of ${size}`,
    );
  }
});

it('a zip has the same bytes in whatever pieces its contents come', async () => {
  const rows = Array.from({ length: 40_000 }, (_, index) => `${index} ${index % 97}\n`).join('');
  const tar = await gitTar({ rows, noise: randomBytes(100_000).toString('latin1'), small: 'small' });
  const zips = [1000, 65_536, 70_001, 10_000_000].map((size) => {
    const pieces: Buffer[] = [];
    for (let at = 0; at < tar.length; at += size) pieces.push(tar.subarray(at, at + size));
    return collect(writeZip(given(readTar(chunks(...pieces)), () => null)));
  });
  const [first, ...others] = await Promise.all(zips);
  for (const other of others) assert.ok(other.equals(first!));
});

it('contents that nobody reads are skipped', async () => {
  const names: string[] = [];
  for await (const entry of readTar(chunks(await gitTar({ a: 'a'.repeat(5000), b: 'b' })))) names.push(entry.path);
  assert.deepEqual(names, ['pax_global_header', 'p/', 'p/a', 'p/b']);
});

it('a size beyond 8 GiB stands in a pax record, beside a long name', async () => {
  const long = 'n'.repeat(200);
  const tar = await gitTar({ [long]: 'x', short: 'x' });
  for (const size of [8 * GIB - BLOCK, 8 * GIB, 1000 * GIB]) {
    // Its bytes are left out: all there is to see are the headers.
    const written = writeTar(
      given(readTar(chunks(tar)), ({ type }) => (type === 'file' ? { size, bytes: chunks() } : null)),
    );
    const heads: Buffer[] = [];
    for await (const chunk of written) heads.push(chunk);
    const found = new Map<string, number>();
    for (const head of heads.slice(2, 4))
      for await (const entry of readTar(chunks(head, Buffer.alloc(BLOCK)))) {
        found.set(entry.path, entry.size);
        break;
      }
    assert.deepEqual(
      [...found],
      [
        [`p/${long}`, size],
        ['p/short', size],
      ],
    );
    const sums = heads[3]!.subarray(-BLOCK);
    const blank = Buffer.from(sums);
    blank.write(' '.repeat(8), 148);
    assert.equal(
      Number.parseInt(sums.toString('latin1', 148, 155), 8),
      blank.reduce((total, byte) => total + byte, 0),
    );
  }
  assert.equal(padded(513), 1024);
});

it('what is no tar, or ends early, is an error and not an archive', async () => {
  const tar = await gitTar({ a: 'a'.repeat(5000) });
  const read = (bytes: Buffer) => collect(writeTar(given(readTar(chunks(bytes)), () => null)));
  for (const length of [0, 100, 512, 1024, 3000, 7168])
    await assert.rejects(read(tar.subarray(0, length)), /ended early/, String(length));
  await assert.rejects(read(Buffer.alloc(1024, 'x')));
});

it('a zip says sizes beyond 4 GiB in eight bytes, and unzip reads them', async () => {
  const tar = await gitTar({ ä: 'small', huge: 'x', last: 'last' });
  const size = 5 * GIB;
  // All but its first bytes are left out: what is announced is to be seen all the same.
  const huge = (): Contents => ({ size, bytes: chunks(Buffer.from('the first')) });
  const folder = await mkdtemp(join(tmpdir(), 'keyward-zip-'));
  try {
    const entries = given(readTar(chunks(tar)), ({ path }) => (path === 'p/huge' ? huge() : null));
    const zip = await collect(writeZip(entries));
    const file = join(folder, 'it.zip');
    await writeFile(file, zip);
    const list = await run('unzip', ['-l', file], { env: { ...process.env, LANG: 'C.UTF-8' } });
    assert.match(list.stdout, new RegExp(`${size}  [-0-9]+ [0-9:]+ +p/huge`));
    assert.match(list.stdout, /p\/ä/);
    const { stdout } = await run('unzip', ['-p', file, 'p/last']);
    assert.equal(stdout, 'last');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
