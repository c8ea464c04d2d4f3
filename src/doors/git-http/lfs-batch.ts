// The batch route: for each object what the client is to do, and the header to do it with (reference git-and-deploy 9.1). Which
// objects exist is told only to those who may read here, and only of this repository.
import type { ProjectPlace } from '../../access/place.ts';
import { SECOND } from '../../kernel/clock.ts';
import { findLfsObjects, type Oid, parseOid } from '../../repositories/lfs-objects.ts';
import { lfsHeader } from '../http/lfs-authenticate.ts';
import type { Services } from '../services.ts';
import type { Exchange } from './exchange.ts';
import { readLfsBody } from './lfs-body.ts';
import type { LfsCall } from './lfs-call.ts';
import type { LfsAction } from './lfs-entry.ts';
import { lfsNotFound, lfsReply, refuseLfs, sendLfs } from './lfs-replies.ts';

type AnyCall = LfsCall<'repository:pull'> | LfsCall<'repository:push'>;
type Enter = <A extends LfsAction>(action: A, work: (call: LfsCall<A>) => Promise<void>) => Promise<void>;

const MISSING = "Object does not exist on the server or you don't have permissions to access it";

const unknownHash = lfsReply(409, 'Only sha256 is supported as the hash of an object.');

/** Answers a batch. What it asks for stands in its body, so the body is read first, and the entry is that of its operation. */
export async function answerBatch(services: Services, exchange: Exchange, enter: Enter): Promise<void> {
  const body = await readLfsBody(exchange);
  const { operation, objects, hash_algo: algorithm = 'sha256' } = body;
  const work = async (call: AnyCall): Promise<void> => {
    if (operation !== 'upload' && operation !== 'download') return refuseLfs(exchange, services.url, lfsNotFound);
    if (!Array.isArray(objects) || objects.length === 0) return refuseLfs(exchange, services.url, lfsNotFound);
    if (algorithm !== 'sha256') return refuseLfs(exchange, services.url, unknownHash);
    // Whatever `transfers` names: an answer that names none means basic, which every client has to know.
    const wanted = objects.map(readObject);
    const sound = wanted.flatMap(({ sound }) => (sound ? [sound.oid] : []));
    const found = await findLfsObjects(services, call.allowed, sound);
    const header = headerFor(call, operation);
    const place = call.allowed.place;
    const open = place.project.visibility === 'public';
    sendLfs(exchange, 200, {
      objects: wanted.map(({ told, sound }) => {
        if (operation === 'upload') {
          if (!sound) return { ...told, error: { code: 422, message: 'The oid or the size is not valid' } };
          if (found.has(sound.oid)) return told;
          const href = `${objectUrl(services, place, sound.oid)}/${sound.size}`;
          const type = { 'Content-Type': 'application/octet-stream', 'Transfer-Encoding': 'chunked' };
          return { ...told, actions: { upload: { href, header: { ...header.header, ...type }, ...header.expiry } } };
        }
        if (!sound || !found.has(sound.oid)) return { ...told, error: { code: 404, message: MISSING } };
        const download = { href: objectUrl(services, place, sound.oid), header: header.header, ...header.expiry };
        return { ...told, ...(open && { authenticated: true }), actions: { download } };
      }),
    });
  };
  return operation === 'upload' ? enter('repository:push', work) : enter('repository:pull', work);
}

interface Wanted {
  /** the client's own words, as far as they may be repeated */
  readonly told: { readonly oid: string; readonly size: number };
  /** null: no object could be meant */
  readonly sound: { readonly oid: Oid; readonly size: number } | null;
}

function readObject(value: unknown): Wanted {
  const { oid, size } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const name = parseOid(oid);
  const bytes = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 && size < 1e15 ? size : null;
  const told = { oid: typeof oid === 'string' ? oid.slice(0, 200) : '', size: bytes ?? 0 };
  return { told, sound: name === null || bytes === null ? null : { oid: name, size: bytes } };
}

function objectUrl({ url }: Services, { project }: ProjectPlace, oid: Oid): string {
  return `${url}/${project.full_path}.git/gitlab-lfs/objects/${oid}`;
}

interface HandedOut {
  readonly header: { readonly Authorization?: string };
  /** seconds, so that a client that was slow asks anew instead of failing */
  readonly expiry: { readonly expires_in?: number };
}

/**
 * What the client sends with each object: a fresh token for a key; its own header again for a deploy token and for an LFS token,
 * which would else renew itself.
 */
function headerFor(call: AnyCall, operation: 'download' | 'upload'): HandedOut {
  const { services, credential, grant, exchange, allowed } = call;
  const own = exchange.request.headers.authorization;
  if (credential.kind === 'anonymous' || own === undefined) return { header: {}, expiry: {} };
  if (grant !== null) {
    const left = Math.floor((grant.expiresAt - services.clock.now()) / SECOND);
    return { header: { Authorization: own }, expiry: { expires_in: Math.max(1, left) } };
  }
  const fresh = lfsHeader(services, credential, allowed.place, operation);
  if (fresh === null) return { header: { Authorization: own }, expiry: {} };
  return { header: { Authorization: fresh.authorization }, expiry: { expires_in: fresh.expiresIn } };
}
