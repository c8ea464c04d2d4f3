// The decision sequence of reference git-and-deploy 8.3, once for `info/refs` and once for each POST: who is it, is the protocol
// on, may this key do that there, is there a repository. Its answer is a place to serve or the reply to give.

import { decide } from '../../access/decide.ts';
import { atProject, type ProjectPlace } from '../../access/place.ts';
import type { Refusal } from '../../access/refusal.ts';
import { isMachine, seesProject } from '../../access/sees.ts';
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { repositoryIsThere } from '../../repositories/on-disk.ts';
import { readSettings } from '../../settings/settings.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';
import { authenticate } from './basic.ts';
import type { GitService } from './git-url.ts';
import {
  accessDenied,
  commandNotAllowed,
  type GitReply,
  namespaceNotFound,
  noRepository,
  protocolOff,
  refusalReply,
} from './replies.ts';

export interface Entry {
  readonly credential: VerifiedCredential;
  readonly place: ProjectPlace;
  readonly repositoryId: number;
}

/** Nothing is there, and whoever asks may be one who may make it: what create-on-push looks at. */
export interface Missing {
  readonly credential: VerifiedCredential;
  readonly path: string;
  /** what to say when he may not, and what the audit hears of it */
  readonly reply: GitReply;
  readonly refusal: Refusal;
}

export type EntryAnswer = Result<Entry, { readonly reply: GitReply } | { readonly missing: Missing }>;

const no = (reply: GitReply): EntryAnswer => err({ reply });

/** Lets one request in or says why not. `service` null: the dumb protocol or another command. */
export async function enter(
  services: Services,
  request: {
    readonly path: string;
    readonly service: GitService | null;
    readonly authorization: string | undefined;
    readonly ip: string;
  },
): Promise<EntryAnswer> {
  const { path, service, ip } = request;
  const action = service === 'receive-pack' ? 'repository:push' : 'repository:pull';
  const who = await authenticate(services, request.authorization, ip, { action, path });
  if (!who.ok) return no(who.error);
  const credential = who.value;
  const nobody = credential.kind === 'anonymous';
  if (nobody && service !== 'upload-pack') return no(accessDenied(services.url));
  const settings = await readSettings(services.db.read);
  const { db, clock } = services;

  // Bots and deploy tokens away from home are wrong credentials: existing and missing look the same (security-lessons R40).
  const machine = isMachine(credential);
  const home = !machine || (await seesProject(db.read, clock, credential, path));
  if (!home && credential.holder.type === 'deploy_token') {
    if (service === 'receive-pack') await noteAway(services, credential, path, ip);
    return no(accessDenied(services.url));
  }
  if (settings.enabled_git_access_protocol === 'ssh')
    return no(nobody ? accessDenied(services.url) : home ? protocolOff : accessDenied(services.url));
  if (service === null) return no(home ? commandNotAllowed : accessDenied(services.url));

  const decided = await decide(db.read, clock, credential, { action, place: atProject(path) });
  if (!decided.ok) {
    if (nobody) return no(accessDenied(services.url));
    const hidden = home ? refusalReply(decided.error, service, services.url) : accessDenied(services.url);
    if (decided.error.code !== 'hidden') {
      refusalAuditOf(services).note('git-http', decided.error, action, atProject(path), ip);
      return no(hidden);
    }
    const reply = home && !path.includes('/') ? namespaceNotFound : hidden;
    return service === 'receive-pack'
      ? err({ missing: { credential, path, reply, refusal: decided.error } })
      : no(reply);
  }
  const { place } = decided.value;
  const repositoryId = place.project.repository_id;
  if (repositoryId === null) return no(nobody ? accessDenied(services.url) : noRepository);
  if (!(await repositoryIsThere(services, repositoryId, place.project.default_branch)))
    return no(nobody ? accessDenied(services.url) : noRepository);
  services.verifier.used(credential, ip);
  return ok({ credential, place, repositoryId });
}

/** A bot or deploy token that wants to push where it is not at home leaves its row in the audit, though it only hears that it is wrong. */
export async function noteAway(
  services: Services,
  credential: VerifiedCredential,
  path: string,
  ip: string,
): Promise<void> {
  const question = { action: 'repository:push', place: atProject(path) } as const;
  const decided = await decide(services.db.read, services.clock, credential, question);
  if (!decided.ok) refusalAuditOf(services).note('git-http', decided.error, question.action, question.place, ip);
}
