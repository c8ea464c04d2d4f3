// git over an SSH session: decide, then real `git upload-pack`, `receive-pack` or `upload-archive` on the session's streams. It
// is the HTTPS door's twin: the same actions, the same sentences, the same flow of a push.
import { Transform } from 'node:stream';
import { decide } from '../../access/decide.ts';
import { findGrant } from '../../access/deploy-key-store.ts';
import { atProject, type ProjectPlace } from '../../access/place.ts';
import type { Refusal } from '../../access/refusal.ts';
import { repositoryIsThere } from '../../repositories/on-disk.ts';
import { movedNotice, servePush } from '../../repositories/push-flow.ts';
import { NO_REPOSITORY, NOT_FOUND, refusalText } from '../../repositories/refusal-texts.ts';
import { uploadArchive, uploadPack } from '../../repositories/serve.ts';
import { sshCloneUrl } from '../../storage/house.ts';
import { createForPush, emptyRefs, mayCreate } from '../http/create-on-push.ts';
import { peek } from '../http/peek.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { GitCommand } from './command-line.ts';
import { READ_ONLY_KEY } from './messages.ts';
import type { Session } from './session.ts';
import { SessionRefusal } from './session-refusal.ts';

/** Runs one git command. Gives the exit code for ssh; throws SessionRefusal when it may not run. */
export async function runGit(session: Session, service: GitCommand, path: string): Promise<number> {
  const { services, streams, signal, opening, credential } = session;
  const action = service === 'receive-pack' ? 'repository:push' : 'repository:pull';
  const decided = await decide(services.db.read, services.clock, credential, { action, place: atProject(path) });
  if (!decided.ok) {
    const free = decided.error.code === 'hidden' && service === 'receive-pack';
    if (free && (await mayCreate(services, { credential, path }))) return createAndPush(session, path);
    refusalAuditOf(services).note('ssh', decided.error, action, atProject(path), opening.ip);
    throw new SessionRefusal(await textOf(session, decided.error, action, path));
  }
  const { place } = decided.value;
  const { project } = place;
  session.at(project.id);
  const repositoryId = project.repository_id;
  if (repositoryId === null) throw new SessionRefusal(NO_REPOSITORY);
  const { repositories } = services;
  if (!(await repositoryIsThere(services, repositoryId, project.default_branch)))
    throw new SessionRefusal(NO_REPOSITORY);
  services.verifier.used(credential, opening.ip);
  const error = hidePath(repositories.path(repositoryId));
  error.pipe(streams.stderr, { end: false });
  const request = {
    input: streams.stdin,
    output: streams.stdout,
    error,
    signal,
    key: `key ${credential.id}`,
    stateless: false,
    ...(opening.protocol === null ? {} : { protocol: opening.protocol }),
  };
  try {
    if (service === 'receive-pack') {
      const url = sshCloneUrl(services, project.full_path);
      const notices = place.moved ? movedNotice(path, project.full_path, url) : [];
      const actor = { credential, door: 'ssh' as const, ip: opening.ip };
      return exitCode(await servePush(services, { actor, place, repositoryId, notices }, request));
    }
    const serve = service === 'upload-pack' ? uploadPack : uploadArchive;
    const direct = await streams.direct(session.outputs);
    try {
      return exitCode(await serve(repositories, repositoryId, { ...request, ...(direct && { handOver: direct }) }));
    } finally {
      direct?.destroy();
    }
  } finally {
    await new Promise<void>((done) => error.end(() => done()));
  }
}

/** A push to a free path: the pusher is told of an empty repository, and the first command makes the project. */
async function createAndPush(session: Session, path: string): Promise<number> {
  const { services, streams, signal, opening, credential } = session;
  streams.stdout.write(emptyRefs());
  // A client with nothing to push says so with a flush, or just leaves.
  const first = (await peek(streams.stdin, 4)).toString('latin1');
  if (first === '0000' || first === '') return 0;
  const actor = { credential, door: 'ssh' as const, ip: opening.ip };
  const made = await createForPush(services, { credential, path }, actor);
  if (!made.ok) throw new SessionRefusal(made.error ?? NOT_FOUND);
  session.at(made.value.place.project.id);
  const { input, output, key } = { input: streams.stdin, output: streams.stdout, key: `key ${credential.id}` };
  const request = { input, output, signal, key, stateless: true };
  return exitCode(await servePush(services, { actor, ...made.value }, request));
}

/** Lets the key into a project for pulling or pushing, or throws the SessionRefusal. */
export async function enterProject(
  { services, credential, opening }: Pick<Session, 'services' | 'credential' | 'opening'>,
  action: 'repository:pull' | 'repository:push',
  path: string,
): Promise<ProjectPlace> {
  const { db, clock } = services;
  const decided = await decide(db.read, clock, credential, { action, place: atProject(path) });
  if (decided.ok) return decided.value.place;
  refusalAuditOf(services).note('ssh', decided.error, action, atProject(path), opening.ip);
  throw new SessionRefusal(await textOf({ services, credential }, decided.error, action, path));
}

async function textOf(
  { services, credential }: Pick<Session, 'services' | 'credential'>,
  refusal: Refusal,
  action: 'repository:pull' | 'repository:push',
  path: string,
): Promise<string> {
  const { db, clock } = services;
  const text = refusalText(refusal, action === 'repository:push' ? 'receive-pack' : 'upload-pack');
  if (credential.holder.type !== 'deploy_key' || credential.id === null) return text;
  // Where a deploy key is not enabled there is nothing for it, whatever others may see there.
  if (refusal.code === 'out_of_reach') return NOT_FOUND;
  if (refusal.code !== 'role_too_low') return text;
  const readable = await decide(db.read, clock, credential, { action: 'repository:pull', place: atProject(path) });
  const grant = readable.ok ? await findGrant(db.read, credential.id, readable.value.place.project.id) : null;
  return grant?.can_push === 0 ? READ_ONLY_KEY : text;
}

function exitCode({ code }: { readonly code: number }): number {
  return code === 0 ? 0 : 1;
}

/** git's own words go to the client; where its repository lies on this machine does not. */
function hidePath(repository: string): Transform {
  let line = '';
  const clean = (text: string) => text.replaceAll(repository, 'repository');
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      line += chunk.toString('latin1');
      const end = line.length > 8192 ? line.length : line.lastIndexOf('\n') + 1;
      const whole = line.slice(0, end);
      line = line.slice(end);
      done(null, Buffer.from(clean(whole), 'latin1'));
    },
    flush: (done) => done(null, Buffer.from(clean(line), 'latin1')),
  });
}
