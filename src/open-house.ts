// Builds what every use of a data folder needs, a server or one command of the command line: keys, database, git, verifier.
// It opens no door and starts nothing that runs by itself.
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createRefusalCounter } from './audit/refusals.ts';
import type { Config } from './config.ts';
import { liveUsesOf } from './credentials/live-uses.ts';
import { createVerifier } from './credentials/verify.ts';
import type { Services } from './doors/services.ts';
import { type Clock, systemClock } from './kernel/clock.ts';
import { systemRandom } from './kernel/random.ts';
import { isExpectedFailure } from './repositories/expected-failures.ts';
import { createGit } from './repositories/git.ts';
import { createRepositories } from './repositories/repository-files.ts';
import { openBlobs } from './storage/blobs.ts';
import type { House } from './storage/house.ts';
import { loadInstanceKeys } from './storage/instance-keys.ts';
import { openDatabase } from './storage/open-database.ts';

export interface OpenHouse {
  readonly services: Services;
  /** Writes what is pending and closes the database. */
  close(): Promise<void>;
}

export interface OpenOptions {
  /** the address that people use */
  readonly url: string;
  /** what SSH clone URLs begin with; null or left out: SSH is not served from here */
  readonly sshUrl?: string | null;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** Makes the data folder readable for its owner alone. Throws a sentence that names the setting when it cannot be made. */
export function prepareDataFolder(data: string): void {
  try {
    mkdirSync(data, { recursive: true, mode: 0o700 });
    chmodSync(data, 0o700);
    for (const name of ['run', 'tmp', 'repositories']) mkdirSync(join(data, name), { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`the data folder ${data} (KEYWARD_DATA) cannot be made or is not ours: ${code}`, { cause: error });
  }
}

/** Opens the data folder: makes it on first use, applies migrations. Throws when the database cannot be had. */
export async function openHouse(config: Config, options: OpenOptions): Promise<OpenHouse> {
  const { log, clock = systemClock } = options;
  prepareDataFolder(config.data);
  const keys = loadInstanceKeys(config.keys);
  const db = await openDatabase({ url: config.databaseUrl.reveal(), clock });
  const house: House = { db, clock, random: systemRandom, keys, url: options.url, sshUrl: options.sshUrl ?? null, log };
  const git = createGit({
    log: ({ command, code, stderr }) =>
      isExpectedFailure(code, stderr)
        ? log.debug({ command, code, stderr }, 'git said no')
        : log.warn({ command, code, stderr }, 'git ended unexpectedly'),
  });
  const repositories = createRepositories({
    root: join(config.data, 'repositories'),
    git,
    // Several nodes work on one PostgreSQL and one shared file system; a SQLite folder has one server.
    shared: db.engine === 'postgres',
  });
  const blobs = openBlobs(join(config.data, 'blobs'));
  const verifier = createVerifier(house);
  const refusals = createRefusalCounter({
    db,
    clock,
    onError: (error) => log.warn({ err: error }, 'counted refusals were not stored'),
  });
  const services: Services = { ...house, verifier, liveUses: liveUsesOf(house), refusals, git, repositories, blobs };
  return {
    services,
    async close() {
      await verifier.flush();
      await refusals.stop();
      await db.close();
    },
  };
}
