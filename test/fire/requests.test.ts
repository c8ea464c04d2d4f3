// Random requests, drawn from the OpenAPI document that the server gives out, with keys of every kind in every channel: no 5xx, no
// hang, and no verdict that `explain` does not share. KEYWARD_FUZZ says how many (3,000 in the normal run, 100,000 for the
// long one), KEYWARD_FUZZ_SEED which.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Action, ruleOf } from '../../src/access/actions.ts';
import { explain } from '../../src/access/explain.ts';
import type { UnresolvedPlace } from '../../src/access/place.ts';
import { SCOPES } from '../../src/credentials/scopes.ts';
import { openSession, SESSION_COOKIE } from '../../src/credentials/sessions.ts';
import { anonymous } from '../../src/credentials/verified-credential.ts';
import type { Route } from '../../src/doors/rest/route.ts';
import { routes } from '../../src/doors/rest/routes/index.ts';
import type { User } from '../../src/identity/records.ts';
import { ok } from '../../src/kernel/result.ts';
import { basic, type Lab, openLab, type RawAnswer } from '../lessons/lab.ts';
import { encode, type Key, present } from './presentations.ts';

const REQUESTS = Number(process.env['KEYWARD_FUZZ'] ?? 3000);
const SEED = Number(process.env['KEYWARD_FUZZ_SEED'] ?? 20260301);
const PATIENCE = 20_000;

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly schema: Schema;
}
interface Schema {
  readonly type?: string | string[];
  readonly enum?: unknown[];
  readonly items?: Schema;
  readonly properties?: Record<string, Schema>;
}
interface Operation {
  readonly parameters: Parameter[];
  readonly requestBody?: { content: { 'application/json': { schema: Schema } } };
  readonly 'x-action': Action;
}
describe('random requests', () => {
  let lab: Lab;
  let operations: { method: string; path: string; operation: Operation; route: Route }[];
  let keys: Key[] = [];
  let state = SEED;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const chance = (probability: number) => random() < probability;
  let ids: number[] = [];
  let paths: string[] = [];

  before(async () => {
    lab = await openLab();
    const document = await lab.api('GET', '/openapi.json', { token: null });
    operations = [];
    for (const [path, methods] of Object.entries(document.body.paths as Record<string, Record<string, Operation>>))
      for (const [method, operation] of Object.entries(methods)) {
        const route = routes.find(
          (one) =>
            one.method === method.toUpperCase() &&
            one.path.replace(/[:*]([A-Za-z_]*)/g, (_match, name: string) => `{${name || 'path'}}`) === path,
        );
        assert.ok(route, `${method} ${path} is in the document and not in the table`);
        operations.push({ method: method.toUpperCase(), path, operation, route });
      }
    assert.equal(operations.length, routes.length);
  });
  after(() => lab?.stop());

  /** New people, places and keys of every kind: what came before may have been deleted by what was asked. */
  async function populate(): Promise<void> {
    const { world } = lab;
    // Not the first one: its token may be revoked, itself be blocked by what was asked.
    const administrator = await world.user({ admin: 1 });
    const token = await lab.pat(administrator, 'api');
    const group = await world.group({ visibility: pick(['private', 'internal', 'public']) });
    const sub = await world.group({ parent: group });
    const project = await lab.project(sub, { visibility: pick(['private', 'internal', 'public']) }, undefined, token);
    const users: User[] = [];
    for (const level of [0, 10, 30, 40, 50]) {
      const user = await world.user({ admin: level === 0 && chance(0.2) ? 1 : 0, external: chance(0.2) ? 1 : 0 });
      if (level > 0) await world.member(user, chance(0.5) ? { group } : { project }, level);
      users.push(user);
    }
    keys = [];
    const add = async (wish: Parameters<Lab['world']['issue']>[0]) => {
      const { credential, secret } = await world.issue(wish);
      keys.push({ id: credential.id, kind: credential.kind, text: secret.reveal() });
    };
    for (const user of users)
      for (const scopes of [['api'], ['read_api'], [pick(SCOPES)], []])
        await add({ kind: 'personal_access_token', userId: user.id, scopes });
    const bot = await lab.bot(project, pick([10, 30, 40, 50]));
    keys.push({ id: bot.id, kind: 'project_access_token', text: bot.token });
    const groupBot = await world.user({ type: 'project_bot', bot_namespace_id: group.id });
    await world.member(groupBot, { group }, pick([10, 30, 40, 50]));
    await add({ kind: 'group_access_token', userId: groupBot.id, groupId: group.id, scopes: ['api'] });
    await add({ kind: 'deploy_token', projectId: project.id, scopes: ['read_repository'] });
    for (const kind of ['job_token', 'trigger_token'] as const)
      await add({ kind, userId: users[3]!.id, projectId: project.id, scopes: [] });
    await add({ kind: 'runner_token', runnerId: 1, scopes: [] });
    keys.push(await sessionOf(administrator));
    ids = [1, 2, group.id, sub.id, project.id, ...users.map(({ id }) => id), ...keys.slice(0, 6).map(({ id }) => id)];
    paths = [group.full_path, sub.full_path, project.full_path, project.full_path.toUpperCase()];
  }

  /** A session of an administrator, as signing in opens it. */
  async function sessionOf(user: User): Promise<Key> {
    const { services } = lab.server;
    const { credential, cookie, csrf } = await services.db.tx((tx) => openSession(tx, services, user));
    return { id: credential.id, kind: 'session', text: `${SESSION_COOKIE}=${cookie.reveal()}`, csrf: csrf.reveal() };
  }

  const NASTY = [
    '',
    ' ',
    '0',
    '-1',
    '99999999999999999999',
    'x',
    '../..',
    '%2e%2e',
    '\u0000',
    '\n',
    '--help',
    'é',
    '\u202e',
    'null',
    '[]',
    '{}',
    'a'.repeat(3000),
    "'; drop table users; --",
    '*',
    '1e3',
    '0x1',
    'main',
    'README.md',
    'HEAD',
    '2026-03-02',
    'true',
    'private',
    'api',
    '\ud800',
  ];
  const text = (): string => (chance(0.5) ? pick(NASTY) : chance(0.7) ? String(pick(ids)) : pick(paths));

  function value(schema: Schema | undefined, depth = 0): unknown {
    if (chance(0.1)) return pick<unknown>([null, [], {}, true, -1, 1.5, 1e300, '', ['x', ['y']], { a: { b: 'c' } }]);
    if (schema?.enum && chance(0.8)) return pick(schema.enum);
    const type = Array.isArray(schema?.type) ? schema.type[0] : schema?.type;
    switch (type) {
      case 'integer':
      case 'number':
        return chance(0.7) ? pick(ids) : pick([0, -1, 2 ** 31, 2 ** 53, 10, 30, 50]);
      case 'boolean':
        return chance(0.5);
      case 'array':
        return Array.from({ length: Math.floor(random() * 4) }, () => value(schema?.items, depth + 1));
      case 'object':
        return depth > 3
          ? {}
          : Object.fromEntries(
              Object.entries(schema?.properties ?? {}).map(([name, one]) => [name, value(one, depth + 1)]),
            );
      default:
        return text();
    }
  }

  /** The place that the route asks about, as `dispatch` reads it. */
  function placeOf(route: Route, path: Record<string, string>): UnresolvedPlace | null {
    const { place: type } = ruleOf(route.action);
    if (type === 'instance') return { type };
    const place = route.place ? route.place(path) : { type, ref: path['id'] ?? '' };
    if (place.type === 'instance' || typeof place.ref === 'number') return place;
    if (/^\d+$/.test(place.ref))
      return /^0|^\d{16,}$/.test(place.ref) ? null : { type: place.type, ref: Number(place.ref) };
    return place.type === 'project' && !place.ref.includes('/') ? null : place;
  }

  async function send(
    method: string,
    target: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<RawAnswer> {
    const late = new Promise<never>((_resolve, reject) => {
      setTimeout(() => reject(new Error(`no answer after ${PATIENCE} ms: ${method} ${target}`)), PATIENCE).unref();
    });
    return Promise.race([lab.raw(method, target, headers, body), late]);
  }

  test(`${REQUESTS} of them, each answered, each as explain says`, { timeout: 60_000 + REQUESTS * 100 }, async (t) => {
    const { services } = lab.server;
    let compared = 0;
    const statuses = new Map<number, number>();
    const channels = new Map<string, number>();
    for (let index = 0; index < REQUESTS; index++) {
      if (index % 400 === 0) await populate();
      const { method, path, operation, route } = pick(operations);
      const values: Record<string, string> = {};
      for (const one of operation.parameters.filter((parameter) => parameter.in === 'path'))
        values[one.name] = chance(0.75) ? String(chance(0.8) ? pick(ids) : pick(paths)) : text();
      const own = path.replace(/\{(\w+)\}/g, (_match, name: string) =>
        encodeURIComponent((values[name] ?? 'x').toWellFormed()),
      );
      const query = operation.parameters
        .filter((parameter) => parameter.in === 'query' && chance(0.3))
        .map(
          ({ name, schema }) =>
            `${encodeURIComponent(name)}=${encodeURIComponent(String(value(schema)).toWellFormed())}`,
        );
      const key = chance(0.1) ? null : pick(keys);
      const presented = present(key, lab, pick);
      if (presented.query) query.push(presented.query);
      const headers: Record<string, string> = { ...presented.headers };
      channels.set(`${key?.kind}: ${presented.channel}`, (channels.get(`${key?.kind}: ${presented.channel}`) ?? 0) + 1);
      if (chance(0.1))
        headers['range'] = pick([
          'bytes=0-',
          'bytes=5-1',
          'bytes=-1',
          'bytes=0-0,2-3',
          'x',
          `bytes=${'9'.repeat(50)}-`,
        ]);
      const isSudo = chance(0.05);
      if (isSudo && chance(0.5)) headers['sudo'] = String(pick([...ids, 'root', 'nobody']));
      else if (isSudo) query.push(`sudo=${pick([...ids, 'root', 'nobody'])}`);
      let body: string | undefined;
      const schema = operation.requestBody?.content['application/json'].schema;
      let isSent = presented.fields === undefined;
      if (schema?.properties) {
        const chosen = Object.entries(schema.properties).filter(() => chance(0.5));
        const fields = Object.fromEntries(chosen.map(([name, one]) => [name, value(one)]));
        const encoded = encode({ ...fields, ...presented.fields }, pick);
        body = encoded.body;
        isSent ||= encoded.type === 'application/json';
        headers['content-type'] = encoded.type;
        headers['content-length'] = String(Buffer.byteLength(body));
      }
      const target = `/api/v4${own}${query.length > 0 ? `?${query.join('&')}` : ''}`;
      const place = placeOf(route, values);
      const isComparable = key !== null && presented.isRead === true && isSent && !isSudo && place !== null;
      const known = isComparable ? await services.verifier.byId(key.id) : null;
      // A browser whose session is over is nobody, and sees what everybody may (reference access-tokens 3.6).
      const holder = known && !known.ok && key?.kind === 'session' ? ok(anonymous()) : known;
      const verdict = holder && place ? await explain(services, holder, { action: route.action, place }) : null;

      const answer = await send(method, target, headers, body);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      const shown = `request ${index} (seed ${SEED}): ${method} ${target.slice(0, 300)} ${body?.slice(0, 500) ?? ''}: ${answer.status} ${answer.text.slice(0, 300)}`;
      assert.ok(answer.status < 500, shown);
      if (verdict === null) continue;
      compared++;
      const said = `${shown}\nexplain: ${verdict.allowed ? 'allowed' : `refused by ${verdict.refusedBy}`}`;
      if (!verdict.allowed) assert.ok(answer.status >= 400, said);
      if (verdict.refusedBy === 'alive') assert.ok([401, 403, 404].includes(answer.status), said);
      if (verdict.allowed) assert.doesNotMatch(answer.text, /"error":"invalid_token"/, said);
      if (verdict.refusedBy === 'scope') assert.ok([400, 401, 403, 404, 405].includes(answer.status), said);
    }
    t.diagnostic(
      `${compared} verdicts compared, ${channels.size} pairs of kind and channel, ${JSON.stringify([...statuses].sort())}`,
    );
    assert.ok(compared > REQUESTS / 10, `${compared} verdicts were compared`);
    assert.ok((statuses.get(200) ?? 0) > REQUESTS / 100, JSON.stringify([...statuses]));
  });

  test('whatever stands in a Basic header or a git address, git`s door answers', async () => {
    const logins = [...NASTY.map((one) => one.toWellFormed()), 'root', 'gitlab-ci-token', ':::'];
    const project = paths[2]!;
    for (let index = 0; index < Math.min(REQUESTS / 10, 3000); index++) {
      const secret = chance(0.3) ? pick(keys).text : chance(0.5) ? `glpat-${pick(logins)}` : '';
      const authorization = pick([
        `Basic ${Buffer.from(`${pick(logins)}:${secret}`).toString('base64')}`,
        `Basic ${Buffer.from(String(pick(logins))).toString('base64')}`,
        'Basic',
        'Basic !!!!',
        `basic   ${Buffer.from([0xff, 0xfe, 0x3a, 0xc3, 0x28]).toString('base64')}`,
        `Bearer ${encodeURIComponent(secret) || 'x'}`,
        basic('root', lab.server.rootPassword).authorization!,
        basic('oauth2', secret).authorization!,
        basic(secret, 'x-oauth-basic').authorization!,
      ]);
      const service = pick(['git-upload-pack', 'git-receive-pack', 'x', '']);
      const at = chance(0.6) ? project : encodeURIComponent(pick(logins));
      const isPost = chance(0.4);
      const target = isPost
        ? `/${at}.git/${pick(['git-upload-pack', 'git-receive-pack'])}`
        : `/${at}.git/info/refs?service=${service}`;
      const length = pick(['0000', '0001', '0004', '0005', '0009', 'ffff', 'zzzz', '-001', '00', '']);
      const body = isPost
        ? `${length}${pick(['', 'want ', `want ${'0'.repeat(40)}\n`, 'done', `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/x\0report-status`, '\0\0\0', 'PACK'])}${pick(['0000', '', '0009done\n'])}`
        : undefined;
      const headers: Record<string, string> = { authorization };
      if (chance(0.3))
        headers['git-protocol'] = pick(['version=2', 'version=1', 'version=99', 'x'.repeat(300), 'version=2:a=b']);
      if (body !== undefined) {
        headers['content-type'] = pick([
          'application/x-git-upload-pack-request',
          'application/x-git-receive-pack-request',
          'text/plain',
        ]);
        headers['content-length'] = String(Buffer.byteLength(body));
        if (chance(0.2)) headers['content-encoding'] = pick(['gzip', 'br', 'identity']);
      }
      const answer = await send(isPost ? 'POST' : 'GET', target, headers, body).catch(
        (error: NodeJS.ErrnoException) => {
          // A body that is no git at all may be cut off; the server lives on, as the next request shows.
          if (
            error.code === 'ECONNRESET' ||
            error.message.includes('socket hang up') ||
            error.message.includes('aborted')
          )
            return null;
          throw error;
        },
      );
      if (answer)
        assert.ok(
          answer.status < 500 || answer.status === 503,
          `${target} ${JSON.stringify(headers)} ${body}: ${answer.status}`,
        );
    }
    assert.equal((await lab.raw('GET', '/-/liveness')).status, 200);
  });
});
