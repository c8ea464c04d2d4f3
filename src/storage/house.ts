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
  readonly log: Logger;
}

/** Host name of the instance without port: the mail host of bots and service accounts (`project_1_bot_x@noreply.<host>`). */
export function mailHost(house: Pick<House, 'url'>): string {
  return new URL(house.url).hostname;
}
