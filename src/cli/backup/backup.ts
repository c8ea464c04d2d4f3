// `keyward backup`: the database as of one moment, then every repository it speaks of, then a manifest. It works beside a running
// server and holds nobody up; only maintenance stands still meanwhile.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Config } from '../../config.ts';
import type { Services } from '../../doors/services.ts';
import { isoTime } from '../../kernel/clock.ts';
import { randomHex } from '../../kernel/random.ts';
import { type CopiedFile, copyFile, copyRepository, filesBelow } from '../../repositories/copy.ts';
import { type DumpedRow, dumpDatabase } from '../../storage/dump.ts';
import { flushFolder } from '../../storage/flush-folder.ts';
import { repositoryFacts } from '../doctor/doctor-store.ts';
import { VERSION } from '../version.ts';
import { auditTrust } from './audit.ts';
import { holdMaintenance } from './hold.ts';
import { keyChecks, MANIFEST, type Manifest, sign } from './manifest.ts';

export interface BackupOptions {
  readonly target: string;
  readonly withKeys: boolean;
}

/** Folders of the data folder that are copied as they are, when they are there; drafts in them are nobody's yet. */
const FOLDERS = ['blobs'];
const DRAFTS = /^drafts\//;

/** Writes a backup to `target`, which must not exist or be empty. Throws a sentence when it cannot; nothing is left then. */
export async function backup(
  services: Services,
  config: Pick<Config, 'data' | 'keys' | 'databaseUrl' | 'url'>,
  options: BackupOptions,
): Promise<Manifest> {
  const target = resolve(options.target);
  if (existsSync(target) && readdirSync(target).length > 0) throw new Error(`${target} is not empty`);
  const draft = `${target}.partial-${randomHex(4)}`;
  // The row comes first: whoever copies the instance is in its audit, whether he comes to the end or not.
  const held = await holdMaintenance(services, (tx) =>
    auditTrust(tx, services.clock, {
      action: 'instance:backup',
      message: `Began a backup ${options.withKeys ? 'with' : 'without'} the instance keys`,
      details: { folder: basename(target), with_keys: options.withKeys },
    }),
  );
  try {
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    const files: CopiedFile[] = [];
    const repositories: number[] = [];
    await mkdir(join(draft, 'database'), { mode: 0o700 });
    const snapshot = await dumpDatabase(config.databaseUrl.reveal(), async (table, rows) => {
      files.push(await writeTable(draft, table, table === 'repositories' ? remember(rows, repositories) : rows));
    });
    const missing: number[] = [];
    for (const id of repositories) {
      const copied = await copyOne(services, draft, id);
      if (copied === null) missing.push(...((await wasUsed(services, id)) ? [id] : []));
      else files.push(...copied);
    }
    for (const folder of FOLDERS) files.push(...(await copyFolder(join(config.data, folder), draft, folder)));
    if (options.withKeys) files.push(...(await copyFolder(config.keys, draft, 'keys')));
    const manifest = sign(
      {
        format: 'keyward-backup',
        version: 1,
        created_at: isoTime(services.clock.now()),
        keyward: VERSION,
        engine: snapshot.engine,
        schema: snapshot.schema,
        url: config.url,
        with_keys: options.withKeys,
        key_checks: keyChecks(services.keys),
        missing_repositories: missing,
        files,
      },
      services.keys,
    );
    held.assertUnbroken();
    await writeWhole(join(draft, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`);
    if (existsSync(target)) rmSync(target, { recursive: true });
    renameSync(draft, target);
    await flushFolder(dirname(target));
    return manifest;
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  } finally {
    await held.letGo();
  }
}

async function* remember(
  rows: AsyncIterable<DumpedRow> | Iterable<DumpedRow>,
  ids: number[],
): AsyncGenerator<DumpedRow> {
  for await (const row of rows) {
    if (row['trashed_at'] === null) ids.push(row['id'] as number);
    yield row;
  }
}

async function writeTable(
  draft: string,
  table: string,
  rows: AsyncIterable<DumpedRow> | Iterable<DumpedRow>,
): Promise<CopiedFile> {
  const path = `database/${table}.jsonl`;
  const hash = createHash('sha256');
  const file = await open(join(draft, path), 'wx', 0o600);
  let size = 0;
  let lines = '';
  const flush = async () => {
    const bytes = Buffer.from(lines, 'utf8');
    lines = '';
    hash.update(bytes);
    size += bytes.length;
    await writeAll(file, bytes);
  };
  try {
    for await (const row of rows) {
      lines += `${JSON.stringify(row)}\n`;
      if (lines.length > 1 << 20) await flush();
    }
    await flush();
    await file.sync();
  } finally {
    await file.close();
  }
  return { path, size, sha256: hash.digest('hex') };
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

async function writeWhole(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await writeAll(file, Buffer.from(text, 'utf8'));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A repository that was deleted since the database was read lies in the trash, and belongs to the backup all the same. */
async function copyOne({ repositories }: Services, draft: string, id: number): Promise<CopiedFile[] | null> {
  const name = `repositories/${id}.git`;
  const to = join(draft, name);
  const copied = await copyRepository(repositories.path(id), to, name);
  if (copied !== null) return copied;
  rmSync(to, { recursive: true, force: true });
  const trash = join(repositories.path(id), '..', '..', '..', '+trash');
  const grave = (await readdir(trash).catch(() => [])).find((entry) => entry.startsWith(`${id}-`));
  return grave === undefined ? null : copyRepository(join(trash, grave), to, name);
}

/** A repository that nobody used yet may have no folder; it is made at the first use. */
async function wasUsed({ db }: Services, id: number): Promise<boolean> {
  const [fact] = await repositoryFacts(db.read, id - 1, 1);
  return fact?.id === id && fact.used;
}

async function copyFolder(from: string, draft: string, name: string): Promise<CopiedFile[]> {
  const copied: CopiedFile[] = [];
  for (const path of await filesBelow(from)) {
    if (DRAFTS.test(path)) continue;
    const file = await copyFile(join(from, path), join(draft, name, path), `${name}/${path}`);
    if (file) copied.push(file);
  }
  return copied;
}
