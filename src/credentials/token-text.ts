// Token text: how a key looks as a string (reference access-tokens 5). Makes it, and tells sound from mistyped without
// knowing any store. APPEND ONLY: a prefix or the routable recipe, once released, never changes.
import { crc32 } from 'node:zlib';
import type { Random } from '../kernel/random.ts';
import { Secret } from '../kernel/secret.ts';

/** Routing lines of a routable token, such as `{ o: 1, u: 42 }`. */
export type Routing = Readonly<Record<string, number>>;

const base36 = (value: number, width: number): string => value.toString(36).padStart(width, '0');

function checksum(text: string): string {
  return base36(crc32(Buffer.from(text, 'latin1')), 7);
}

/**
 * A token in routable form: PREFIX P "." "01" "." L C (reference access-tokens 5.2). `random` gives its 16 secret bytes.
 * Throws when the routing text is longer than 159 bytes or the prefix longer than 40.
 */
export function makeRoutable(prefix: string, routing: Routing, random: Random): Secret {
  const lines = Object.keys(routing)
    .sort()
    .map((key) => `${key}:${routing[key]!.toString(36)}`)
    .join('\n');
  const routingBytes = Buffer.from(lines, 'latin1');
  if (routingBytes.length > 159) throw new Error('the routing part of a token is at most 159 bytes long');
  const payload = Buffer.concat([random(16), routingBytes, Buffer.from([routingBytes.length])]).toString('base64url');
  const head = `${prefix}${payload}.01.${base36(payload.length, 2)}`;
  return new Secret(head + checksum(head));
}

const FRIENDLY: Readonly<Record<string, string>> = { l: 's', I: 'x', O: 'y', '0': 'z' };

/** `prefix` and 20 characters from 15 random bytes: the classic form, 26 characters for `glpat-`. */
export function makeFriendly(prefix: string, random: Random): Secret {
  const body = random(15)
    .toString('base64url')
    .replace(/[lIO0]/g, (character) => FRIENDLY[character]!);
  return new Secret(prefix + body);
}

/** `prefix` and 40 hex characters (trigger tokens). */
export function makeHex40(prefix: string, random: Random): Secret {
  return new Secret(prefix + random(20).toString('hex'));
}

/** `glcbt-64_` and 20 characters (job tokens; the partition is always 64). */
export function makeJobToken(prefix: string, random: Random): Secret {
  return makeFriendly(`${prefix}64_`, random);
}

const TOKEN_ALPHABET = /^[0-9A-Za-z_.-]{1,300}$/;
const ROUTABLE = /^(.*?)([0-9A-Za-z_-]{27,300})\.([0-9a-z]{2})\.([0-9a-z]{2})([0-9a-z]{7})$/;

/** What a presented string is by its looks alone. */
export type TokenShape = 'routable' | 'plain' | 'malformed';

/**
 * Tells by its looks whether a presented string can be a key of ours. `malformed`: refused without any look-up (a routable
 * shape whose checksum, length or payload is wrong; a character we never use; longer than 300). `plain`: worth one
 * indexed look-up (reference access-tokens 5.1). A prefix is never used to guess rights.
 */
export function tokenShape(text: string): TokenShape {
  if (!TOKEN_ALPHABET.test(text)) return 'malformed';
  if (!text.includes('.')) return 'plain';
  const match = ROUTABLE.exec(text);
  if (!match) return 'plain';
  return isSoundRoutable(text) ? 'routable' : 'malformed';
}

/** Whether `text` is a routable token whose checksum, stated length and payload agree. Version `01` only. */
export function isSoundRoutable(text: string): boolean {
  const tail = /\.01\.([0-9a-z]{2})([0-9a-z]{7})$/.exec(text);
  if (!tail) return false;
  if (checksum(text.slice(0, -7)) !== tail[2]) return false;
  const length = Number.parseInt(tail[1]!, 36);
  const before = text.slice(0, -tail[0].length);
  if (length < 27 || length > before.length) return false;
  const payload = before.slice(-length);
  if (!/^[0-9A-Za-z_-]+$/.test(payload)) return false;
  const bytes = Buffer.from(payload, 'base64url');
  return bytes.length >= 17 && bytes[bytes.length - 1] === bytes.length - 17;
}

/** Whether an operator's own token (`KEYWARD_ROOT_TOKEN`) may be taken as given (reference access-tokens 5.1). */
export function isAcceptableGivenToken(text: string): boolean {
  return text.length >= 20 && text.length <= 300 && tokenShape(text) !== 'malformed';
}
