// What a backup says about itself: where it came from and the digest of every file in it. A folder without a manifest is no
// backup, because the manifest is written last.
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type CopiedFile, filesBelow } from '../../repositories/copy.ts';
import type { InstanceKeys } from '../../storage/instance-keys.ts';

export const MANIFEST = 'manifest.json';
const FORMAT = 'keyward-backup';

export interface ManifestBody {
  readonly format: typeof FORMAT;
  readonly version: 1;
  readonly created_at: string;
  readonly keyward: string;
  readonly engine: 'sqlite' | 'postgres';
  readonly schema: number;
  readonly url: string | null;
  readonly with_keys: boolean;
  /** version -> a digest that only this key gives: so that a restore knows the right keys from others */
  readonly key_checks: Readonly<Record<string, string>>;
  /** repositories that had a row and no folder */
  readonly missing_repositories: readonly number[];
  readonly files: readonly CopiedFile[];
}
export interface Manifest extends ManifestBody {
  readonly mac: string;
  readonly mac_key: number;
}

/** What tells that a key is the one of the backup, without telling the key. */
export function keyChecks(keys: InstanceKeys): Record<string, string> {
  return Object.fromEntries(keys.versions().map((version) => [version, keys.digest('backup-key-check', '', version)]));
}

/** Signs the manifest with the instance key. */
export function sign(body: ManifestBody, keys: InstanceKeys): Manifest {
  return { ...body, mac: keys.digest('backup-manifest', JSON.stringify(body)), mac_key: keys.current };
}

/** Whether an instance with these keys wrote the manifest. */
export function isSigned({ mac, mac_key, ...body }: Manifest, keys: InstanceKeys): boolean {
  return keys.versions().includes(mac_key) && keys.digest('backup-manifest', JSON.stringify(body), mac_key) === mac;
}

/** Reads the manifest of the backup in `folder`. Throws a sentence when there is none that this program understands. */
export function readManifest(folder: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8'));
  } catch {
    throw new Error(`${folder} holds no finished backup: its ${MANIFEST} is missing or cannot be read`);
  }
  if (manifest?.format !== FORMAT || manifest.version !== 1 || !Array.isArray(manifest.files))
    throw new Error(`${folder}/${MANIFEST} is not one that this version of Keyward understands`);
  for (const { path } of manifest.files)
    if (typeof path !== 'string' || !isSafe(path)) throw new Error(`the manifest names a file outside of the backup`);
  return manifest;
}

function isSafe(path: string): boolean {
  return !path.startsWith('/') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Compares every file with the manifest. Answers one sentence for each that differs, is missing or is one too many. */
export async function checkFiles(folder: string, manifest: Manifest): Promise<string[]> {
  const problems: string[] = [];
  const named = new Set(manifest.files.map((file) => file.path));
  for (const { path, size, sha256 } of manifest.files) {
    const file = join(folder, path);
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found?.isFile()) problems.push(`${path} is missing`);
    else if (found.size !== size || (await digestOf(file)) !== sha256) problems.push(`${path} was altered`);
  }
  for (const path of await filesBelow(folder))
    if (path !== MANIFEST && !named.has(path)) problems.push(`${path} is not in the manifest`);
  return problems;
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
