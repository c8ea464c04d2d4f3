// What the doctor sees of the blobs: files that are missing, that are not what was written, and that no row knows. It changes
// nothing and may run beside a server.
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Services } from '../../doors/services.ts';
import { DAY } from '../../kernel/clock.ts';
import { knownKeys } from '../../storage/blob-store.ts';
import { blobFacts } from './doctor-store.ts';
import type { Finding } from './finding.ts';

const PAGE = 500;
/** The collection runs every day and takes what was unknown for one. */
const LEFT_OVER = 3 * DAY;

/** Blobs whose file is missing or has another length than its row, with `digests` also other bytes; and files that nobody collects. */
export async function checkBlobs(services: Services, data: string, digests: boolean): Promise<Finding[]> {
  const findings: Finding[] = [];
  const damage = (text: string) => findings.push({ check: 'blobs', level: 'damage', text });
  for (let after = 0; ; ) {
    const facts = await blobFacts(services.db.list, after, PAGE);
    for (const { id, storage_key: key, size, sha256 } of facts) {
      const path = join(data, 'blobs', key.slice(0, 2), key);
      const file = statSync(path, { throwIfNoEntry: false });
      if (file === undefined) damage(`the file of blob ${id} is missing`);
      else if (file.size !== size) damage(`the file of blob ${id} has ${file.size} bytes instead of ${size}`);
      else if (digests && (await digestOf(path)) !== sha256) damage(`the file of blob ${id} was altered`);
    }
    if (facts.length < PAGE) break;
    after = facts.at(-1)!.id;
  }
  const orphans = await countOrphans(services);
  if (orphans > 0) {
    const text = `${orphans} files belong to no blob and are older than three days: the daily collection does not run`;
    findings.push({ check: 'blobs', level: 'risk', text });
  }
  return findings;
}

async function countOrphans({ blobs, db, clock }: Services): Promise<number> {
  let orphans = 0;
  for await (const keys of blobs.keysBefore(clock.now() - LEFT_OVER))
    orphans += keys.length - (await knownKeys(db.list, keys)).size;
  return orphans;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
