// `keyward restore`: turns a backup into a data folder that a server can start on. It believes nothing that the manifest does not
// vouch for, touches nothing that is there already, and takes back what it made when it fails.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { auditChain } from '../../audit/chain-audit.ts';
import { newestBatch } from '../../audit/chain-store.ts';
import { HEAD_FILE, sealAll, writeHead } from '../../audit/sealer.ts';
import type { Config } from '../../config.ts';
import { systemClock } from '../../kernel/clock.ts';
import { prepareDataFolder } from '../../open-house.ts';
import { copyFile, makeSkeleton } from '../../repositories/copy.ts';
import type { Repositories } from '../../repositories/repository-files.ts';
import type { DumpedRow } from '../../storage/dump.ts';
import { type InstanceKeys, loadInstanceKeys } from '../../storage/instance-keys.ts';
import { type LoadedDatabase, loadDatabase, type TableSource } from '../../storage/load.ts';
import { openDatabase } from '../../storage/open-database.ts';
import { linesOf } from '../lines.ts';
import { auditTrust } from './audit.ts';
import { checkFiles, isSigned, keyChecks, type Manifest, readManifest } from './manifest.ts';

export interface Restored {
  readonly manifest: Manifest;
  readonly repositories: number;
  /** what the operator should know, one sentence each */
  readonly notes: readonly string[];
}

type Paths = Pick<Repositories, 'path'>;

/**
 * Restores the backup in `folder` to the data folder and database of `config`. `acceptLostKeys`: go on without the instance
 * keys of the backup, so that every key is dead. Throws a sentence when it cannot.
 */
export async function restore(
  config: Pick<Config, 'data' | 'keys' | 'databaseUrl'>,
  repositories: Paths,
  options: { readonly folder: string; readonly acceptLostKeys: boolean },
): Promise<Restored> {
  const folder = resolve(options.folder);
  const manifest = readManifest(folder);
  refuseUsed(config);
  const problems = await checkFiles(folder, manifest);
  if (problems.length > 0)
    throw new Error(
      `the backup is not what was written: ${problems.slice(0, 5).join('; ')} (${problems.length} in all)`,
    );
  const undo: string[] = [];
  let loaded: LoadedDatabase | null = null;
  try {
    prepareDataFolder(config.data);
    undo.push(...['run', 'tmp', 'repositories', 'blobs', HEAD_FILE].map((name) => join(config.data, name)));
    const notes: string[] = [];
    const keys = await bringKeys(config, folder, manifest, options.acceptLostKeys, undo, notes);
    const url = config.databaseUrl.reveal();
    if (url.startsWith('sqlite:')) for (const end of ['', '-wal', '-shm']) undo.push(`${url.slice(7)}${end}`);
    // The database comes last: what a crash leaves of a restore is an instance without anything, never one that looks whole.
    const count = await bringRepositories(config, repositories, folder, manifest);
    loaded = await loadDatabase(url, systemClock, manifest.schema, tablesOf(folder, manifest));
    notes.push(...(await checkChain(url, keys)));
    await recordRestore(config, url, keys, { folder, manifest });
    for (const id of manifest.missing_repositories) notes.push(`repository ${id} was missing when the backup was made`);
    return { manifest, repositories: count, notes };
  } catch (error) {
    for (const path of undo) rmSync(path, { recursive: true, force: true });
    await loaded?.undo().catch((reason: Error) => {
      throw new Error(`${(error as Error).message}; and the database could not be emptied again: ${reason.message}`);
    });
    throw error;
  }
}

function refuseUsed({ data, keys, databaseUrl }: Pick<Config, 'data' | 'keys' | 'databaseUrl'>): void {
  const others = existsSync(data) ? readdirSync(data).filter((name) => resolve(data, name) !== resolve(keys)) : [];
  if (others.length > 0) throw new Error(`the data folder ${data} is not empty (${others.slice(0, 3).join(', ')})`);
  const url = databaseUrl.reveal();
  if (url.startsWith('sqlite:') && existsSync(url.slice(7))) throw new Error(`there is a database at ${url.slice(7)}`);
}

async function bringKeys(
  config: Pick<Config, 'keys'>,
  folder: string,
  manifest: Manifest,
  acceptLostKeys: boolean,
  undo: string[],
  notes: string[],
): Promise<InstanceKeys> {
  const there = existsSync(config.keys) && readdirSync(config.keys).some((name) => /^instance-\d+\.key$/.test(name));
  if (!there && manifest.with_keys) {
    for (const { path } of manifest.files.filter((file) => file.path.startsWith('keys/'))) {
      const to = join(config.keys, path.slice('keys/'.length));
      if (existsSync(to)) throw new Error(`${to} is there already`);
      undo.push(to);
      await copyFile(join(folder, path), to, path);
    }
  } else if (!there && !acceptLostKeys)
    throw new Error(
      `this backup holds no instance keys and there are none in ${config.keys}: put the old ones there, or say --accept-lost-keys and every token is dead for good`,
    );
  if (!there) undo.push(...[1].map((version) => join(config.keys, `instance-${version}.key`)));
  const keys = loadInstanceKeys(config.keys);
  const checks = keyChecks(keys);
  const lost = Object.entries(manifest.key_checks).filter(([version, check]) => checks[version] !== check);
  if (lost.length > 0) {
    const versions = lost.map(([version]) => version).join(', ');
    if (!acceptLostKeys)
      throw new Error(`the instance keys in ${config.keys} are not those of the backup (${versions})`);
    notes.push(
      `instance key ${versions} of the backup is lost: tokens made under it are dead and sealed texts unreadable`,
    );
  } else if (!isSigned(manifest, keys)) throw new Error('the manifest was altered: it is not signed by its instance');
  return keys;
}

function tablesOf(folder: string, manifest: Manifest): TableSource[] {
  return manifest.files.flatMap(({ path }) => {
    const name = /^database\/([a-z_0-9]+)\.jsonl$/.exec(path)?.[1];
    return name === undefined ? [] : [{ name, rows: () => readRows(join(folder, path)) }];
  });
}

async function* readRows(file: string): AsyncGenerator<DumpedRow> {
  for await (const line of linesOf(file)) yield JSON.parse(line) as DumpedRow;
}

async function bringRepositories(
  { data }: Pick<Config, 'data'>,
  repositories: Paths,
  folder: string,
  manifest: Manifest,
): Promise<number> {
  const made = new Set<number>();
  for (const { path } of manifest.files) {
    const inRepository = /^repositories\/(\d+)\.git\/(.+)$/.exec(path);
    if (inRepository) {
      const id = Number(inRepository[1]);
      if (!made.has(id)) await makeSkeleton(repositories.path(id));
      made.add(id);
      await copyFile(join(folder, path), join(repositories.path(id), inRepository[2]!), path);
    } else if (path.startsWith('blobs/')) await copyFile(join(folder, path), join(data, path), path);
  }
  return made.size;
}

async function checkChain(url: string, keys: InstanceKeys): Promise<string[]> {
  const db = await openDatabase({ url, clock: systemClock });
  try {
    const { findings } = await auditChain({ db, keys }, null);
    return findings.map((finding) => `audit: ${finding.text}`);
  } finally {
    await db.close();
  }
}

/** The restored instance begins with a row that says so, chained behind what the backup held. */
async function recordRestore(
  { data }: Pick<Config, 'data'>,
  url: string,
  keys: InstanceKeys,
  { folder, manifest }: { readonly folder: string; readonly manifest: Manifest },
): Promise<void> {
  const db = await openDatabase({ url, clock: systemClock });
  try {
    await db.tx((tx) =>
      auditTrust(tx, systemClock, {
        action: 'instance:restore',
        message: `Restored the instance from a backup of ${manifest.created_at}`,
        details: { folder: basename(folder), created_at: manifest.created_at, with_keys: manifest.with_keys },
      }),
    );
    await sealAll({ db, clock: systemClock, keys });
    const newest = await newestBatch(db.read);
    if (newest !== null) writeHead(join(data, HEAD_FILE), newest);
  } finally {
    await db.close();
  }
}

/** Where a backup must not lie: inside of what it copies. */
export function isInside(folder: string, parent: string): boolean {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (at === resolve(parent)) return true;
    if (at === dirname(at)) return false;
  }
}
