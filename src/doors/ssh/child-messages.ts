// What the server and its SSH child tell each other over their channel: settings and orders one way, the port and lines for the
// log the other way. Sessions and keys go over the local socket instead.
import type { Strangers } from './strangers.ts';

/** The server's first word to the child. */
export interface StartOrder {
  readonly type: 'start';
  readonly host: string;
  readonly port: number;
  /** the folder of the host keys */
  readonly keys: string;
  /** the server's local socket */
  readonly socket: string;
  readonly limits: SshLimits;
}

export interface SshLimits {
  /** milliseconds in which a client must have signed in */
  readonly grace: number;
  readonly waiting: number;
  readonly waitingPerAddress: number;
  readonly connections: number;
  readonly connectionsPerKey: number;
  readonly sessionsPerConnection: number;
}

export const SSH_LIMITS: SshLimits = {
  grace: 60_000,
  waiting: 400,
  waitingPerAddress: 100,
  connections: 1000,
  connectionsPerKey: 100,
  sessionsPerConnection: 10,
};

/** `serve`: connections that were held back may begin. `drain`: take nothing new, and leave when the last session has ended. */
export type Order = StartOrder | { readonly type: 'serve' } | { readonly type: 'drain' };

export type ChildWord =
  | { readonly type: 'listening'; readonly port: number; readonly fingerprints: readonly string[] }
  | { readonly type: 'failed'; readonly why: string }
  /** who did not get in since the last word of this sort */
  | { readonly type: 'strangers'; readonly counts: readonly Strangers[] }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn';
      readonly text: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };
