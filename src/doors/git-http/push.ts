// A push over HTTP: starts git with a nonce, answers its hook from the locks and ref rules, completes the push when git has
// ended, and only then ends the reply, so that whoever hears of the push finds its effects.

import type { Readable, Writable } from 'node:stream';
import type { Actor } from '../../credentials/actor.ts';
import { intendPush } from '../../repositories/push.ts';
import { completePush } from '../../repositories/push-completion.ts';
import { type HookQuestion, type HookVerdict, pushDeskOf } from '../../repositories/push-desk.ts';
import { receivePack } from '../../repositories/serve.ts';
import { readSettings } from '../../settings/settings.ts';
import type { Services } from '../services.ts';
import type { Entry } from './entry.ts';
import { refusalReply } from './replies.ts';

export interface PushStreams {
  readonly input: Readable;
  readonly output: Writable;
  readonly signal: AbortSignal;
  readonly key: string;
  readonly protocol: string | undefined;
  /** lines to print when the push is let in: a moved or a new project */
  readonly notices: readonly string[];
}

/** Runs one push to its end. What git refuses it says itself, inside the stream. */
export async function servePush(services: Services, actor: Actor, entry: Entry, streams: PushStreams): Promise<void> {
  const desk = pushDeskOf(services);
  if (desk.socketPath === null) throw new Error('the local socket is not open');
  const settings = await readSettings(services.db.read);
  const begun: number[] = [];
  const ticket = desk.open(async (question) => {
    const verdict = await answerHook(services, actor, entry, question, begun);
    return verdict.allowed ? { allowed: true, messages: streams.notices } : verdict;
  });
  try {
    await receivePack(services.repositories, entry.repositoryId, {
      input: streams.input,
      output: streams.output,
      signal: streams.signal,
      key: streams.key,
      ...(streams.protocol === undefined ? {} : { protocol: streams.protocol }),
      stateless: true,
      hookSocket: desk.socketPath,
      pushNonce: ticket.nonce,
      maxInputSize: (settings.receive_max_input_size ?? 0) * 1024 * 1024,
    });
  } finally {
    ticket.close();
    for (const id of begun) await completePush(services, id, actor);
  }
}

async function answerHook(
  services: Services,
  actor: Actor,
  entry: Entry,
  question: HookQuestion,
  begun: number[],
): Promise<HookVerdict> {
  const { credential } = actor;
  // The key may have been ended, by another node too, while the pack came in.
  if (credential.id !== null && !(await services.verifier.byId(credential.id)).ok)
    return { allowed: false, messages: ['GitLab: You are not allowed to push code to this project.'] };
  const intended = await intendPush(services, {
    actor,
    action: 'repository:push',
    place: entry.place,
    repositoryId: entry.repositoryId,
    door: 'git',
    updates: question.updates,
    options: question.options,
    quarantine: question.quarantine,
  });
  if (intended.ok) {
    begun.push(intended.value);
    return { allowed: true, messages: [] };
  }
  const refusal = intended.error;
  const text = 'rule' in refusal ? refusal.rule.message : refusalReply(refusal.lock, 'receive-pack', services.url).body;
  return { allowed: false, messages: [`GitLab: ${text}`] };
}

/** What a pusher is told when he used a path that the project has left (reference git-and-deploy 8.1). */
export function movedNotice(oldPath: string, newPath: string, url: string): readonly string[] {
  return [
    `Project '${oldPath}' was moved to '${newPath}'.`,
    '',
    'Please update your Git remote:',
    '',
    `  git remote set-url origin ${url}/${newPath}.git`,
  ];
}
