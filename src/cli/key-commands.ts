// `keyward key …`: SSH keys of people and deploy keys of projects and of the instance. The deeds are those of keys/; here their
// arguments are read and their results put into words.
import { grantsOf, listDeployKeys } from '../access/deploy-key-store.ts';
import { credentialState } from '../credentials/credential-rows.ts';
import { findSshKey, type SshKeyRow, USAGE_TYPES, type UsageType } from '../credentials/ssh-key-store.ts';
import type { Services } from '../doors/services.ts';
import { isoTime } from '../kernel/clock.ts';
import { fail } from '../kernel/faults.ts';
import { parseId } from '../kernel/names.ts';
import {
  addProjectDeployKey,
  disableProjectDeployKey,
  enableDeployKey,
  listProjectDeployKeys,
  takeDeployKey,
  updateProjectDeployKey,
} from '../keys/deploy-keys.ts';
import { surroundings } from '../keys/holder-store.ts';
import { createPublicDeployKey, removeDeployKey } from '../keys/instance-deploy-keys.ts';
import { addSshKeyFor, identifySshKey, listSshKeysOf, removeSshKeyOf } from '../keys/user-ssh-keys.ts';
import { type CommandArguments, operator } from './operator.ts';
import { dateOf, idOf, missing, placeRef, prove, requiredText, textOf, userOf } from './questions.ts';
import { type CommandAnswer, EXIT, printable, table } from './terminal.ts';

type Row = SshKeyRow & { readonly can_push?: 0 | 1 };
interface Slice {
  readonly offset: number;
  readonly perPage: number;
}

const ROWS_A_PAGE = 100;

async function linesOf(services: Services, rows: readonly Row[]) {
  const around = await surroundings(services.db.read, rows);
  const now = services.clock.now();
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    title: row.title,
    state: credentialState(row, now),
    public: row.public === 1,
    owner: row.user_id === null ? null : (around.users.get(row.user_id)?.username ?? null),
    usage_type: row.usage_type,
    fingerprint: `SHA256:${row.fingerprint}`,
    ...(row.can_push !== undefined && { can_push: row.can_push === 1 }),
    created_at: isoTime(row.created_at),
    expires_at: isoTime(row.expires_at),
    last_used_at: isoTime(row.last_used_at),
  }));
}

async function keyAnswer(services: Services, row: Row, deed: string): Promise<CommandAnswer> {
  const [line] = await linesOf(services, [row]);
  const text = `${deed} ${row.kind.replaceAll('_', ' ')} ${row.id} (${printable(row.title)}), ${line!.fingerprint}`;
  return { exit: EXIT.ok, data: line, text };
}

async function everyRow(read: (slice: Slice) => Promise<{ readonly rows: readonly Row[] }>): Promise<Row[]> {
  const rows: Row[] = [];
  for (;;) {
    const page = await read({ offset: rows.length, perPage: ROWS_A_PAGE });
    rows.push(...page.rows);
    if (page.rows.length < ROWS_A_PAGE) return rows;
  }
}

const proveProject = (services: Services, path: string) =>
  prove(services, { action: 'project_deploy_key:manage', place: { type: 'project', ref: placeRef(path) } });

function onlyOne(args: CommandArguments, names: readonly string[]): void {
  const given = names.filter((name) => args.options[name] !== undefined && args.options[name] !== false);
  if (given.length !== 1) missing(`exactly one of ${names.map((name) => `--${name}`).join(', ')} is needed`);
}

/** `key add`: an SSH key of `--user`, a deploy key of `--project`, or a `--public` deploy key. */
export async function addKey(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  onlyOne(args, ['user', 'project', 'public']);
  const wish = {
    title: requiredText(args, 'title'),
    key: requiredText(args, 'key'),
    expiresAt: dateOf(args, 'expires', services.clock.now()),
  };
  const user = textOf(args, 'user');
  if (user !== undefined) {
    const allowed = await prove(services, { action: 'user_ssh_key:manage' });
    const made = await addSshKeyFor(services, operator, allowed, user, { ...wish, usageType: usageOf(args) });
    return keyAnswer(services, made, 'added');
  }
  const owner = textOf(args, 'owner');
  const ownerId = owner === undefined ? null : (await userOf(services, owner)).id;
  const project = textOf(args, 'project');
  if (project === undefined) {
    const allowed = await prove(services, { action: 'deploy_key:manage_all' });
    return keyAnswer(services, await createPublicDeployKey(services, operator, allowed, { ...wish, ownerId }), 'added');
  }
  const canPush = args.options['can-push'] === true;
  const allowed = await proveProject(services, project);
  const made = await addProjectDeployKey(services, operator, allowed, { ...wish, canPush, ownerId });
  return keyAnswer(services, made, 'added');
}

function usageOf(args: CommandArguments): UsageType {
  const text = textOf(args, 'usage') ?? 'auth_and_signing';
  return USAGE_TYPES.find((usage) => usage === text) ?? missing(`--usage must be one of ${USAGE_TYPES.join(', ')}`);
}

/** `key list`: the SSH keys of `--user`, the deploy keys of `--project`, or all deploy keys, or the `--public` ones. */
export async function listKeys(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const [user, project, publicOnly] = [textOf(args, 'user'), textOf(args, 'project'), args.options['public'] === true];
  if ([user !== undefined, project !== undefined, publicOnly].filter(Boolean).length > 1)
    missing('--user, --project and --public exclude each other');
  const lines = await linesOf(services, await everyRow(await readerOf(services, user, project, publicOnly)));
  const heading = ['ID', 'KIND', 'STATE', 'OWNER', 'WRITES', 'TITLE', 'EXPIRES', 'FINGERPRINT'];
  const cells = lines.map((line) => [
    String(line.id),
    line.public ? 'public deploy_key' : line.kind,
    line.state,
    line.owner ?? '-',
    line.can_push === undefined ? '-' : line.can_push ? 'yes' : 'no',
    printable(line.title),
    line.expires_at?.slice(0, 10) ?? 'never',
    line.fingerprint,
  ]);
  return { exit: EXIT.ok, data: lines, text: lines.length === 0 ? 'no keys' : table([heading, ...cells]) };
}

async function readerOf(
  services: Services,
  user: string | undefined,
  project: string | undefined,
  publicOnly: boolean,
) {
  if (user !== undefined) {
    const allowed = await prove(services, { action: 'user_ssh_key:read' });
    return (slice: Slice) => listSshKeysOf(services, allowed, user, slice);
  }
  if (project !== undefined) {
    const place = { type: 'project', ref: placeRef(project) } as const;
    const allowed = await prove(services, { action: 'project_deploy_key:list', place });
    return (slice: Slice) => listProjectDeployKeys(services, allowed, slice);
  }
  await prove(services, { action: 'deploy_key:list_all' });
  return (slice: Slice) => listDeployKeys(services.db.list, { publicOnly }, slice);
}

/** `key show`: a key of either sort, by id or fingerprint, with the projects in which a deploy key is enabled. */
export async function showKey(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const [word] = args.words;
  if (word === undefined || args.words.length > 1) return missing('exactly one id or fingerprint of a key is needed');
  const id = parseId(word);
  const allowed = await prove(services, { action: 'ssh_key:identify' });
  const row = await identifySshKey(services, allowed, id === null ? { fingerprint: word } : { id });
  const [line] = await linesOf(services, [row]);
  const grants = row.kind === 'deploy_key' ? await grantsOf(services.db.read, [row.id]) : [];
  const projects = grants.map(({ project, can_push }) => ({ path: project.full_path, can_push: can_push === 1 }));
  const data = { ...line, fingerprint_md5: row.fingerprint_md5, key: row.key_text, projects };
  const told = Object.entries(data).filter(([name, value]) => name !== 'projects' && value !== null);
  const text = [
    ...told.map(([name, value]) => `${name}: ${printable(String(value))}`),
    ...projects.map(({ path, can_push }) => `project: ${path}${can_push ? ' (may push)' : ''}`),
  ].join('\n');
  return { exit: EXIT.ok, data, text };
}

/** `key change`: write access of a deploy key in one project, or its title. */
export async function changeKey(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const id = idOf(args);
  const { 'can-push': writes, 'read-only': reads } = args.options;
  if (writes === true && reads === true) missing('--can-push and --read-only exclude each other');
  const canPush = writes === true ? true : reads === true ? false : undefined;
  const title = textOf(args, 'title');
  if (title === undefined && canPush === undefined) missing('one of --title, --can-push, --read-only is needed');
  const allowed = await proveProject(services, requiredText(args, 'project'));
  return keyAnswer(
    services,
    await updateProjectDeployKey(services, operator, allowed, id, { title, canPush }),
    'changed',
  );
}

/** `key take`: gives a deploy key to `--owner`, whose right its pushes need from now on. */
export async function takeKey(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const id = idOf(args);
  const allowed = await proveProject(services, requiredText(args, 'project'));
  const owner = await userOf(services, requiredText(args, 'owner'));
  return keyAnswer(services, await takeDeployKey(services, operator, allowed, id, owner), `${owner.username} took`);
}

/** `key enable`: a deploy key in one project, for reading, or with `--can-push` for writing too. */
export async function enableKey(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const id = idOf(args);
  const allowed = await proveProject(services, requiredText(args, 'project'));
  const key = await enableDeployKey(services, operator, allowed, id);
  if (args.options['can-push'] === true)
    await updateProjectDeployKey(services, operator, allowed, id, { canPush: true });
  return keyAnswer(services, key, 'enabled');
}

/** `key disable`: a deploy key in one project. */
export async function disableKey(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const id = idOf(args);
  const allowed = await proveProject(services, requiredText(args, 'project'));
  await disableProjectDeployKey(services, operator, allowed, id);
  return { exit: EXIT.ok, data: { id, disabled: true }, text: `key ${id} is disabled there` };
}

/** `key remove`: an SSH key, or a deploy key in every project at once. */
export async function removeKey(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  const id = idOf(args);
  await prove(services, { action: 'ssh_key:identify' });
  const row = (await findSshKey(services.db.read, id)) ?? fail({ code: 'not_found', thing: 'key' });
  if (row.kind === 'deploy_key') {
    const allowed = await prove(services, { action: 'deploy_key:manage_all' });
    await removeDeployKey(services, operator, allowed, id);
  } else {
    const allowed = await prove(services, { action: 'user_ssh_key:manage' });
    await removeSshKeyOf(services, operator, allowed, String(row.user_id), id);
  }
  return { exit: EXIT.ok, data: { id, removed: true }, text: `key ${id} (${printable(row.title)}) is gone` };
}
