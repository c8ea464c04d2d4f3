// How much of the server one address may hold at a time: connections, and requests that are being worked on. It knows no
// request's content; who counts as the address behind a trusted proxy was decided before.
import { BlockList, isIP, type Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { addressKey } from '../../credentials/failure-limit.ts';

export interface CrowdLimits {
  /** open connections of one address; a further one is closed unread */
  readonly connections: number;
  /** requests of one address without a complete answer; a further one hears 429 */
  readonly requests: number;
}

/** Room for an office behind one address whose people clone at once, none for a flood. */
export const CROWD_LIMITS: CrowdLimits = { connections: 512, requests: 256 };

/** Seconds after which one who was too many may come again. */
const RETRY_AFTER = '2';

/** Makes `app` count by address. Connections of `trustedProxies` stand for many people and have no limit of their own. */
export function limitCrowds(app: FastifyInstance, limits: CrowdLimits, trustedProxies: readonly string[]): void {
  const proxies = listOf(trustedProxies);
  const connections = new Map<string, number>();
  app.server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress;
    if (address === undefined || isListed(proxies, address)) return;
    const leave = enter(connections, addressKey(address), limits.connections);
    if (leave) socket.once('close', leave);
    else socket.destroy();
  });

  const requests = new Map<string, number>();
  app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, next: () => void) => {
    const leave = enter(requests, addressKey(request.ip), limits.requests);
    if (leave) {
      // `on`: a response closes once, and `once` costs a wrapper and its removal.
      reply.raw.on('close', leave);
      next();
      return;
    }
    reply.code(429).headers({ 'retry-after': RETRY_AFTER, connection: 'close' });
    if (request.raw.url?.startsWith('/api/'))
      reply.header('content-type', 'application/json').send(Buffer.from('{"message":"429 Too Many Requests"}'));
    else reply.type('text/plain').send('Too many requests at once from this address.\n');
  });
}

/** Counts one more; gives what counts it out again, or null when it would be one too many. */
function enter(counts: Map<string, number>, key: string, limit: number): (() => void) | null {
  const count = counts.get(key) ?? 0;
  if (count >= limit) return null;
  counts.set(key, count + 1);
  return () => {
    const left = counts.get(key)! - 1;
    if (left === 0) counts.delete(key);
    else counts.set(key, left);
  };
}

function listOf(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits] = text.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

function isListed(list: BlockList, address: string): boolean {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  return list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
}
