// Every way in which a key may come along with a request to the API, right and wrong ones: what the random requests draw from. It
// does not know what an answer must be; only whether the API reads a key of this kind in this channel.
import { ACCESS_TOKEN_KINDS } from '../../src/credentials/kinds.ts';
import { basic, type Lab } from '../lessons/lab.ts';

/** Draws one of a list. */
export type Pick = <T>(from: readonly T[]) => T;

export interface Key {
  readonly id: number;
  readonly kind: string;
  readonly text: string;
  /** of a session: what its own page sends along */
  readonly csrf?: string;
}
/** How a key is sent along: headers, a piece of the query, fields of the body. */
export interface Presented {
  readonly channel: string;
  readonly headers?: Record<string, string>;
  readonly query?: string;
  readonly fields?: Record<string, string>;
  /** the API takes a key of this kind in this channel: `explain` tells what it may */
  readonly isRead?: boolean;
}

/** Some way to send `key` along; null: none. */
export function present(key: Key | null, lab: Lab, pick: Pick): Presented {
  if (key === null) return { channel: 'nothing' };
  if (key.csrf !== undefined) {
    const cookie = key.text;
    return pick<Presented>([
      { channel: 'session', headers: { cookie, 'x-csrf-token': key.csrf } },
      // What is known of the session alone, as for `explain`, is that it may read.
      { channel: 'session without proof', headers: { cookie }, isRead: true },
      {
        channel: 'session of another page',
        headers: { cookie, 'x-csrf-token': key.csrf, origin: 'http://a.example' },
      },
      { channel: 'session with a wrong proof', headers: { cookie, 'x-csrf-token': 'x'.repeat(43) } },
      { channel: 'session beside a dead token', headers: { cookie, 'private-token': 'glpat-xxxxxxxxxxxxxxxxxxxx' } },
    ]);
  }
  const escaped = encodeURIComponent(key.text);
  const isRead = (ACCESS_TOKEN_KINDS as readonly string[]).includes(key.kind);
  const ways: Presented[] = [
    { channel: 'PRIVATE-TOKEN', headers: { 'private-token': key.text }, isRead },
    { channel: 'Bearer', headers: { authorization: `Bearer ${key.text}` }, isRead },
    { channel: 'bearer', headers: { authorization: `bEARER\t ${key.text} ` }, isRead },
    { channel: 'private_token', query: `private_token=${escaped}`, isRead },
    { channel: 'access_token', query: `access_token=${escaped}`, isRead },
    { channel: 'bearer_token', query: `bearer_token=${escaped}`, isRead },
    { channel: 'private_token as a list', query: `private_token[]=${escaped}` },
    { channel: 'private_token twice', query: `private_token=${escaped}&private_token=${escaped}`, isRead },
    { channel: 'private_token in the body', fields: { private_token: key.text }, isRead },
    { channel: 'access_token in the body', fields: { access_token: key.text }, isRead },
    { channel: 'two bearers', headers: { authorization: `Bearer ${key.text}` }, query: `access_token=${escaped}` },
    { channel: 'Basic password', headers: basic('x', key.text) },
    { channel: 'Basic user', headers: basic(key.text, '') },
    { channel: 'Basic account', headers: basic('root', lab.server.rootPassword) },
    { channel: 'JOB-TOKEN', headers: { 'job-token': key.text } },
    { channel: 'job_token', query: `job_token=${escaped}` },
    { channel: 'job_token in the body', fields: { job_token: key.text } },
    { channel: 'Deploy-Token', headers: { 'deploy-token': key.text } },
    { channel: 'RUNNER-TOKEN', headers: { 'runner-token': key.text } },
    { channel: 'token in the body', fields: { token: key.text } },
    { channel: 'a token as a cookie', headers: { cookie: `_gitlab_session=${key.text}` } },
    { channel: 'altered', headers: { 'private-token': `${key.text.slice(0, -1)}!` } },
  ];
  // Most wrong ways end in the same refusal: the right ones are drawn more often, so that more is done.
  const right = ways.filter((way) => way.isRead === true);
  return pick(right.length > 0 ? pick([ways, right]) : ways);
}

/** A body in one of the three forms that the API reads, or one that says it is and is not. */
export function encode(fields: Record<string, unknown>, pick: Pick): { type: string; body: string } {
  const pairs = Object.entries(fields).map(([name, one]) => [name, String(one).toWellFormed()] as const);
  const form = pick(['json', 'json', 'json', 'json', 'form', 'multipart', 'lie']);
  if (form === 'form')
    return {
      type: 'application/x-www-form-urlencoded',
      body: new URLSearchParams(pairs.map(([a, b]) => [a, b])).toString(),
    };
  if (form === 'multipart') {
    const parts = pairs.map(
      ([name, one]) => `--xYx\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${one}\r\n`,
    );
    return { type: 'multipart/form-data; boundary=xYx', body: `${parts.join('')}--xYx--\r\n` };
  }
  const lies = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'];
  return { type: form === 'lie' ? pick(lies) : 'application/json', body: JSON.stringify(fields) };
}
