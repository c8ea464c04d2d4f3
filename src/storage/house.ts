// What every room is given at start: the database, the clock, the instance keys, the address and the log. The composition
// root makes one; rooms take it as their first argument, so nothing reaches for a global.
import type { Logger } from 'pino';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import type { Database } from './database.ts';
import type { InstanceKeys } from './instance-keys.ts';

export interface House {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: InstanceKeys;
  /** the address that people use, without a trailing slash (`KEYWARD_URL`) */
  readonly url: string;
  /** the address in SSH clone URLs (`ssh://git@host:port`); left out: SSH is not served from here */
  readonly sshUrl?: string | null;
  readonly log: Logger;
}

/** Host name of the instance without port: the mail host of bots and service accounts (`project_1_bot_x@noreply.<host>`). */
export function mailHost(house: Pick<House, 'url'>): string {
  return new URL(house.url).hostname;
}

/** The SSH clone URL of a project: scp-like on port 22, else with the port (reference git-and-deploy 8.7). */
export function sshCloneUrl(house: Pick<House, 'url' | 'sshUrl'>, fullPath: string): string {
  if (house.sshUrl == null) return `git@${mailHost(house)}:${fullPath}.git`;
  const { username, hostname, port, pathname } = new URL(house.sshUrl);
  const login = username || 'git';
  if ((port === '' || port === '22') && (pathname === '' || pathname === '/'))
    return `${login}@${hostname}:${fullPath}.git`;
  return `ssh://${login}@${hostname}${port === '' ? '' : `:${port}`}${pathname.replace(/\/$/, '')}/${fullPath}.git`;
}
