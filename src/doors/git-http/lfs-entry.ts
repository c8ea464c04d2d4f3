// Who may come in to the LFS routes (reference git-and-deploy 8.2, 9.1): git's credentials and LFS tokens, judged by the same two
// actions as git's own wire. A token opens one repository for one operation, whatever the key behind it opens.
import type { Allowed } from '../../access/allowed.ts';
import { decide } from '../../access/decide.ts';
import { atProject } from '../../access/place.ts';
import type { Refusal } from '../../access/refusal.ts';
import { isMachine, seesProject } from '../../access/sees.ts';
import { type LfsGrant, looksLikeLfsToken, verifyLfsToken } from '../../credentials/lfs-token.ts';
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import { projectSettings } from '../../directory/project-settings.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { readSettings } from '../../settings/settings.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';
import { authenticate } from './basic.ts';
import { noteAway } from './entry.ts';
import { forbidden, type LfsReply, lfsNotFound } from './lfs-replies.ts';
import { accessDenied, type GitReply, protocolOff, soundsWrong } from './replies.ts';

export type LfsAction = 'repository:pull' | 'repository:push';

export interface LfsEntry<A extends LfsAction = LfsAction> {
  readonly credential: VerifiedCredential;
  readonly allowed: Allowed<A>;
  /** set when the client came with an LFS token */
  readonly grant: LfsGrant | null;
}

/** Lets one request in or says why not. `denied`: what somebody hears who may read there and not do this. */
export async function enterLfs<A extends LfsAction>(
  services: Services,
  request: {
    readonly path: string;
    readonly action: A;
    readonly authorization: string | undefined;
    readonly ip: string;
    readonly denied?: LfsReply;
  },
): Promise<Result<LfsEntry<A>, LfsReply | GitReply>> {
  const { db, clock, url } = services;
  const { path, action, ip } = request;
  let grant: LfsGrant | null = null;
  const who = await authenticate(services, request.authorization, ip, { action, path }, async ({ login, password }) => {
    if (!looksLikeLfsToken(password)) return null;
    grant = await verifyLfsToken(services, services.verifier, login, password);
    return grant?.credential ?? 'denied';
  });
  if (!who.ok) return err(who.error);
  const credential = who.value;
  const token = grant as LfsGrant | null;
  const nobody = credential.kind === 'anonymous';
  if (nobody && action === 'repository:push') return err(accessDenied(url));
  if (isMachine(credential) && !(await seesProject(db.read, clock, credential, path))) {
    if (action === 'repository:push') await noteAway(services, credential, path, ip);
    return err(accessDenied(url));
  }
  // Whoever came over SSH was sent here with a token: the door that is closed is git's.
  const settings = await readSettings(db.read);
  if (settings.enabled_git_access_protocol === 'ssh' && token === null)
    return err(nobody ? accessDenied(url) : protocolOff);

  const place = atProject(path);
  const pull = () => decide(db.read, clock, credential, { action: 'repository:pull', place });
  const push = () => decide(db.read, clock, credential, { action: 'repository:push', place });
  const decided = action === 'repository:push' ? await push() : await pull();
  if (!decided.ok) refusalAuditOf(services).note('git-http', decided.error, action, place, ip);
  const read = decided.ok ? decided : await pull();
  if (!read.ok) return err(nobody ? accessDenied(url) : replyTo(read.error, url));
  const { project } = read.value.place;
  if (token !== null && token.repositoryId !== project.repository_id) return err(lfsNotFound);
  if (!decided.ok) return err(request.denied ?? forbidden);
  if (!projectSettings(project).lfs_enabled) return err(nobody ? accessDenied(url) : forbidden);
  services.verifier.used(credential, ip);
  return ok({ credential, allowed: decided.value as unknown as Allowed<A>, grant: token });
}

/** The answer to somebody who may not even read there. */
function replyTo(refusal: Refusal, url: string): LfsReply | GitReply {
  if (soundsWrong(refusal)) return accessDenied(url);
  return refusal.code === 'hidden' || refusal.code === 'out_of_reach' ? lfsNotFound : forbidden;
}
