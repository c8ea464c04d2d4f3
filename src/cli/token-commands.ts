// `keyward token …`: make, list, rotate and revoke keys of users, projects and groups. The deeds are those of keys/; here their
// arguments are read and their results put into words.

import { listCredentials } from '../credentials/credential-list-store.ts';
import { type CredentialRow, credentialState, scopesOf } from '../credentials/credential-rows.ts';
import { findCredential } from '../credentials/credential-store.ts';
import { ACCESS_TOKEN_KINDS, ISSUED_KINDS } from '../credentials/kinds.ts';
import type { Services } from '../doors/services.ts';
import { isoDate, isoTime } from '../kernel/clock.ts';
import { fail } from '../kernel/faults.ts';
import { createDeployToken, deleteDeployToken, rotateDeployToken } from '../keys/deploy-tokens.ts';
import { surroundings } from '../keys/holder-store.ts';
import { sortedOut } from '../keys/key-wish.ts';
import { createPersonalTokenFor } from '../keys/make-personal-token.ts';
import { revokePersonalToken, rotatePersonalToken } from '../keys/personal-tokens.ts';
import { createResourceToken } from '../keys/resource-tokens.ts';
import type { KeyMade } from '../keys/rotate-key.ts';
import { type CommandArguments, operator } from './operator.ts';
import { dateOf, idOf, manyOf, missing, numberOf, placeOf, prove, requiredText, textOf, userOf } from './questions.ts';
import { type CommandAnswer, EXIT, printable, table } from './terminal.ts';

const ROWS_A_PAGE = 100;
const STATES = ['active', 'rotating', 'expired', 'revoked'] as const;

interface KeyLine {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly state: string;
  readonly belongs_to: string;
  readonly scopes: readonly string[];
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
}

async function linesOf(services: Services, rows: readonly CredentialRow[]): Promise<KeyLine[]> {
  const around = await surroundings(services.db.read, rows);
  const belongsTo = (row: CredentialRow): string => {
    if (row.project_id !== null) return around.projects.get(row.project_id) ?? `project ${row.project_id}`;
    if (row.group_id !== null) return around.groups.get(row.group_id) ?? `group ${row.group_id}`;
    return row.user_id === null ? '-' : (around.users.get(row.user_id)?.username ?? `user ${row.user_id}`);
  };
  const now = services.clock.now();
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    name: row.name,
    state: credentialState(row, now),
    belongs_to: belongsTo(row),
    scopes: scopesOf(row),
    created_at: isoTime(row.created_at),
    expires_at: isoDate(row.expires_at),
    last_used_at: isoTime(row.last_used_at),
  }));
}

async function madeAnswer(services: Services, made: KeyMade): Promise<CommandAnswer> {
  const [line] = await linesOf(services, [made.credential]);
  const { username } = made.credential;
  const token = made.secret.reveal();
  return {
    exit: EXIT.ok,
    data: { ...line, ...(username !== null && { username }), token },
    text: [
      `${line!.kind.replaceAll('_', ' ')} ${line!.id} for ${line!.belongs_to}, expires ${line!.expires_at ?? 'never'}`,
      ...(username === null ? [] : [`user name: ${username}`]),
      'The secret is shown only now:',
      token,
    ].join('\n'),
  };
}

/** `token create`: a personal token of `--user`, or an access token or `--deploy` token of a place. */
export async function createToken(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const user = textOf(args, 'user');
  const place = placeOf(args);
  if ((user === undefined) === (place === null)) missing('exactly one of --user, --project and --group is needed');
  const wish = {
    name: requiredText(args, 'name'),
    description: textOf(args, 'description') ?? null,
    scopes: manyOf(args, 'scope'),
    expiresAt: dateOf(args, 'expires', services.clock.now()),
  };
  const isDeploy = args.options['deploy'] === true;
  if (place === null && isDeploy) missing('a deploy token belongs to a --project or --group');
  const kind = isDeploy
    ? 'deploy_token'
    : place === null
      ? 'personal_access_token'
      : (`${place.type}_access_token` as const);
  const { known, unknown } = sortedOut(wish.scopes, kind);
  if (wish.scopes.length === 0) missing(`--scope is missing: ${known.join(', ')}`);
  if (unknown.length > 0) missing(`--scope: there is no "${printable(unknown[0]!)}" here, but ${known.join(', ')}`);
  if (place === null) {
    const holder = await userOf(services, user!);
    const allowed = await prove(services, { action: 'user_token:create' });
    return madeAnswer(services, await createPersonalTokenFor(services, operator, allowed, holder.id, wish));
  }
  if (isDeploy) {
    const allowed =
      place.type === 'project'
        ? await prove(services, { action: 'project_deploy_token:manage', place })
        : await prove(services, { action: 'group_deploy_token:manage', place });
    const made = await createDeployToken(services, operator, allowed, { ...wish, username: textOf(args, 'username') });
    return made.ok ? madeAnswer(services, made.value) : fail({ code: 'unprocessable', reason: made.error });
  }
  const allowed =
    place.type === 'project'
      ? await prove(services, { action: 'project_access_token:create', place })
      : await prove(services, { action: 'group_access_token:create', place });
  const level = numberOf(args, 'level');
  if (level !== null && ![10, 15, 20, 25, 30, 40, 50].includes(level))
    missing('--level must be 10, 15, 20, 25, 30, 40 or 50');
  return madeAnswer(services, await createResourceToken(services, operator, allowed, { ...wish, level }));
}

/** `token list`: every key that the options leave, oldest first. */
export async function listTokens(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  await prove(services, { action: 'credential:list' });
  const kind = textOf(args, 'kind');
  const kinds = kind === undefined ? ISSUED_KINDS : ISSUED_KINDS.filter((known) => known === kind);
  if (kinds.length === 0) missing(`--kind must be one of ${ISSUED_KINDS.join(', ')}`);
  const stateText = textOf(args, 'state');
  const state = STATES.find((known) => known === stateText);
  if (stateText !== undefined && state === undefined) missing(`--state must be one of ${STATES.join(', ')}`);
  const user = textOf(args, 'user');
  const place = placeOf(args);
  const filter = {
    kinds,
    state,
    impersonation: 'any',
    sort: 'id_asc',
    ...(user !== undefined && { userId: (await userOf(services, user)).id }),
    ...(place && (await placeFilter(services, place))),
  } as const;
  const rows: CredentialRow[] = [];
  for (;;) {
    const slice = { offset: rows.length, perPage: ROWS_A_PAGE };
    const page = await listCredentials(services.db.list, filter, slice, services.clock.now());
    rows.push(...page.rows);
    if (page.rows.length < ROWS_A_PAGE) break;
  }
  const lines = await linesOf(services, rows);
  const heading = ['ID', 'KIND', 'STATE', 'BELONGS TO', 'NAME', 'SCOPES', 'EXPIRES', 'LAST USED'];
  const cells = lines.map((line) => [
    String(line.id),
    line.kind,
    line.state,
    line.belongs_to,
    printable(line.name),
    line.scopes.join(',') || '-',
    line.expires_at ?? 'never',
    line.last_used_at?.slice(0, 10) ?? 'never',
  ]);
  return { exit: EXIT.ok, data: lines, text: lines.length === 0 ? 'no keys' : table([heading, ...cells]) };
}

async function placeFilter(services: Services, place: NonNullable<ReturnType<typeof placeOf>>) {
  if (place.type === 'project') {
    const { project } = (await prove(services, { action: 'project:read', place })).place;
    return { projectId: project.id };
  }
  const { group } = (await prove(services, { action: 'group:read', place })).place;
  return { groupId: group.id };
}

async function findKey(services: Services, id: number): Promise<CredentialRow> {
  await prove(services, { action: 'credential:read' });
  return (await findCredential(services.db.read, id)) ?? fail({ code: 'not_found', thing: 'key' });
}

async function proveDeployToken(services: Services, row: CredentialRow) {
  return row.project_id !== null
    ? prove(services, { action: 'project_deploy_token:manage', place: { type: 'project', ref: row.project_id } })
    : prove(services, { action: 'group_deploy_token:manage', place: { type: 'group', ref: row.group_id! } });
}

function notHere(row: CredentialRow, deed: string): never {
  return fail({ code: 'bad_request', reason: `a ${row.kind.replaceAll('_', ' ')} cannot be ${deed} here` });
}

/** `token rotate`: a new key in the old one's place. */
export async function rotateToken(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const id = idOf(args);
  const wish = {
    expiresAt: dateOf(args, 'expires', services.clock.now()),
    overlap: numberOf(args, 'overlap') ?? 0,
    repeat: null,
  };
  const row = await findKey(services, id);
  if (ACCESS_TOKEN_KINDS.includes(row.kind)) {
    const allowed = await prove(services, { action: 'personal_access_token:rotate' });
    return madeAnswer(services, await rotatePersonalToken(services, operator, allowed, id, wish));
  }
  if (row.kind !== 'deploy_token') notHere(row, 'rotated');
  const allowed = await proveDeployToken(services, row);
  return madeAnswer(services, await rotateDeployToken(services, operator, allowed, id, wish));
}

/** `token revoke`: the key is dead when this returns; streams under it are cut. */
export async function revokeToken(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const id = idOf(args);
  const row = await findKey(services, id);
  if (ACCESS_TOKEN_KINDS.includes(row.kind)) {
    const allowed = await prove(services, { action: 'personal_access_token:revoke' });
    await revokePersonalToken(services, operator, allowed, id);
  } else if (row.kind === 'deploy_token') {
    await deleteDeployToken(services, operator, await proveDeployToken(services, row), id);
  } else notHere(row, 'revoked');
  return { exit: EXIT.ok, data: { id, revoked: true }, text: `key ${id} (${printable(row.name)}) is revoked` };
}
