// A push to a path where nothing is: the project is made, private, if the pusher may make it there (reference git-and-deploy
// 8.5). Asking for refs makes nothing (security-lessons R19): only the first command of a push does.
import { decide } from '../../access/decide.ts';
import { atNamespace, atProject, type ProjectPlace } from '../../access/place.ts';
import type { Actor } from '../../credentials/actor.ts';
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import { createProject } from '../../directory/projects.ts';
import { FaultError } from '../../kernel/faults.ts';
import { projectPathErrors } from '../../kernel/names.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { sshCloneUrl } from '../../storage/house.ts';
import type { Services } from '../services.ts';

/** Nothing is there, and whoever asks may be one who may make it. */
export interface FreePath {
  readonly credential: VerifiedCredential;
  readonly path: string;
}

export interface MadeProject {
  readonly place: ProjectPlace;
  readonly repositoryId: number;
  /** the lines that tell the pusher of it */
  readonly notices: readonly string[];
}

/** What the new project would be: its namespace and its own segment; null when there is no namespace part. */
function split(path: string): { readonly namespace: string; readonly name: string } | null {
  const at = path.lastIndexOf('/');
  return at === -1 ? null : { namespace: path.slice(0, at), name: path.slice(at + 1) };
}

async function mayCreateIn(services: Services, { credential, path }: FreePath) {
  const parts = split(path);
  if (parts === null) return null;
  const decided = await decide(services.db.read, services.clock, credential, {
    action: 'project:create_by_push',
    place: atNamespace(parts.namespace),
  });
  return decided.ok ? { allowed: decided.value, name: parts.name } : null;
}

/** Whether this holder may make a project at that path. A path where a project is that he cannot see is not free. */
export async function mayCreate(services: Services, free: FreePath): Promise<boolean> {
  return (await mayCreateIn(services, free)) !== null;
}

/** Why no project can have the name that a free path ends in; null when one can. For doors that can say so before the pack. */
export function unfitName(path: string): string | null {
  const [problem] = projectPathErrors(split(path)?.name ?? '');
  return problem === undefined ? null : `Could not create project: path ${problem}`;
}

/** Makes the project and lets the push in. The error is why it could not be made, or null: the path is as if it were not free. */
export async function createForPush(
  services: Services,
  free: FreePath,
  actor: Actor,
): Promise<Result<MadeProject, string | null>> {
  const wanted = await mayCreateIn(services, free);
  if (wanted === null) return err(null);
  const { credential } = free;
  try {
    const wish = { name: wanted.name, path: wanted.name, visibility: 'private' as const };
    const project = await createProject(services, actor, wanted.allowed, wish);
    const repositoryId = project.repository_id!;
    await services.repositories.create(repositoryId);
    const pushing = await decide(services.db.read, services.clock, credential, {
      action: 'repository:push',
      place: atProject(project.id),
    });
    if (!pushing.ok) return err(null);
    services.verifier.used(credential, actor.ip);
    const address = `${services.url}/${project.full_path}`;
    const notices = [
      '',
      `The private project ${project.full_path} was successfully created.`,
      '',
      'To configure the remote, run:',
      `  git remote add origin ${actor.door === 'ssh' ? sshCloneUrl(services, project.full_path) : `${address}.git`}`,
      '',
      'To view the project, visit:',
      `  ${address}`,
      '',
    ];
    return ok({ place: pushing.value.place, repositoryId, notices });
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
    return err(`Could not create project: ${reasons(error)}`);
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

/** The refs of an empty repository, as `git receive-pack` would tell them: the pusher's git then sends its pack. */
export function emptyRefs(): string {
  return `${line(`${ZERO} capabilities^{}\0${CAPABILITIES}\n`)}0000`;
}

/** One packet of git's protocol. */
export function line(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
}
