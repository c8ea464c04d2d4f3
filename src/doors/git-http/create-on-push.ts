// A push to a path where nothing is: the project is made, private, if the pusher may make it there (reference git-and-deploy
// 8.5). Asking for refs makes nothing (security-lessons R19): only the first command of a push does.
import { decide } from '../../access/decide.ts';
import { atNamespace, atProject } from '../../access/place.ts';
import type { Actor } from '../../credentials/actor.ts';
import { createProject } from '../../directory/projects.ts';
import { FaultError } from '../../kernel/faults.ts';
import { projectPathErrors } from '../../kernel/names.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import type { Services } from '../services.ts';
import type { Entry, Missing } from './entry.ts';
import type { GitReply } from './replies.ts';

/** What the new project would be: its namespace and its own segment; null when there is no namespace part. */
function split(path: string): { readonly namespace: string; readonly name: string } | null {
  const at = path.lastIndexOf('/');
  return at === -1 ? null : { namespace: path.slice(0, at), name: path.slice(at + 1) };
}

async function mayCreateIn(services: Services, { credential, path }: Missing) {
  const parts = split(path);
  if (parts === null || projectPathErrors(parts.name).length > 0) return null;
  const decided = await decide(services.db.read, services.clock, credential, {
    action: 'project:create_by_push',
    place: atNamespace(parts.namespace),
  });
  return decided.ok ? { allowed: decided.value, name: parts.name } : null;
}

/** Whether this holder may make a project at that path. A path where a project is that he cannot see is not free. */
export async function mayCreate(services: Services, missing: Missing): Promise<boolean> {
  return (await mayCreateIn(services, missing)) !== null;
}

/** Makes the project and lets the push in, with the lines that tell of it; else the reply. */
export async function createForPush(
  services: Services,
  missing: Missing,
  ip: string,
): Promise<Result<{ readonly entry: Entry; readonly notices: readonly string[] }, GitReply>> {
  const wanted = await mayCreateIn(services, missing);
  if (wanted === null) return err(missing.reply);
  const { credential } = missing;
  const actor: Actor = { credential, door: 'git-http', ip };
  try {
    const wish = { name: wanted.name, path: wanted.name, visibility: 'private' as const };
    const project = await createProject(services, actor, wanted.allowed, wish);
    const repositoryId = project.repository_id!;
    await services.repositories.create(repositoryId);
    const pushing = await decide(services.db.read, services.clock, credential, {
      action: 'repository:push',
      place: atProject(project.id),
    });
    if (!pushing.ok) return err(missing.reply);
    services.verifier.used(credential, ip);
    const address = `${services.url}/${project.full_path}`;
    const notices = [
      '',
      `The private project ${project.full_path} was successfully created.`,
      '',
      'To configure the remote, run:',
      `  git remote add origin ${address}.git`,
      '',
      'To view the project, visit:',
      `  ${address}`,
      '',
    ];
    return ok({ entry: { credential, place: pushing.value.place, repositoryId }, notices });
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
    return err({ status: 422, body: `Could not create project: ${reasons(error)}` });
  }
}

function reasons({ fault }: FaultError): string {
  if (fault.code === 'invalid_record')
    return Object.entries(fault.fields)
      .flatMap(([field, texts]) => texts.map((text) => `${field} ${text}`))
      .join(', ');
  return 'reason' in fault && fault.reason !== null ? fault.reason : 'it is not possible now';
}

const CAPABILITIES =
  'report-status report-status-v2 delete-refs quiet atomic ofs-delta push-options side-band-64k object-format=sha1 agent=git/keyward';
const ZERO = '0'.repeat(40);

/** What `git receive-pack` would say of an empty repository: the pusher's git then sends its pack. */
export function emptyAdvertisement(): string {
  return `${line('# service=git-receive-pack\n')}0000${line(`${ZERO} capabilities^{}\0${CAPABILITIES}\n`)}0000`;
}

function line(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
}
