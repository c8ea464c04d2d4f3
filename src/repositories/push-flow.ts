// A push over git's own wire, HTTPS or SSH: starts git with a nonce, answers its hook from the locks and ref rules, completes the
// push when git has ended, and only then returns, so that whoever hears of the push finds its effects.
import type { Readable, Writable } from 'node:stream';
import type { ProjectPlace } from '../access/place.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import type { Verifier } from '../credentials/verify.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { RepositoryHouse } from './house.ts';
import { intendPush, type PushRefusal } from './push.ts';
import { completePush } from './push-completion.ts';
import { type HookQuestion, type HookVerdict, pushDeskOf } from './push-desk.ts';
import { refusalText } from './refusal-texts.ts';
import { receivePack, type ServeResult } from './serve.ts';

export type PushHouse = RepositoryHouse & { readonly verifier: Verifier };

export interface WirePush {
  readonly actor: Actor;
  readonly place: ProjectPlace;
  readonly repositoryId: number;
  /** lines to print when the push is let in: a moved or a new project */
  readonly notices: readonly string[];
}

export interface PushStreams {
  readonly input: Readable;
  readonly output: Writable;
  /** where git's own complaints go; left out, only into the result */
  readonly error?: Writable;
  readonly signal: AbortSignal;
  /** who asks, for a fair share of the slots */
  readonly key: string;
  readonly protocol?: string;
  /** true: the refs were told before (HTTP); false: a whole conversation */
  readonly stateless: boolean;
}

/** Runs one push to its end. What git refuses it says itself, inside the stream. Rejects when the client left or its key ended. */
export async function servePush(house: PushHouse, push: WirePush, streams: PushStreams): Promise<ServeResult> {
  const desk = pushDeskOf(house);
  if (desk.socketPath === null) throw new Error('the local socket is not open');
  const settings = await readSettings(house.db.read);
  const begun: number[] = [];
  const ticket = desk.open(async (question) => {
    const verdict = await answerHook(house, push, question, begun);
    return verdict.allowed ? { allowed: true, messages: push.notices } : verdict;
  });
  try {
    return await receivePack(house.repositories, push.repositoryId, {
      ...streams,
      hookSocket: desk.socketPath,
      pushNonce: ticket.nonce,
      maxInputSize: (settings.receive_max_input_size ?? 0) * 1024 * 1024,
    });
  } finally {
    ticket.close();
    for (const id of begun) await completePush(house, id, push.actor);
  }
}

async function answerHook(
  house: PushHouse,
  { actor, place, repositoryId }: WirePush,
  question: HookQuestion,
  begun: number[],
): Promise<HookVerdict> {
  const { credential } = actor;
  // The key may have been ended, by another node too, while the pack came in.
  if (credential.id !== null && !(await house.verifier.byId(credential.id)).ok)
    return { allowed: false, messages: ['GitLab: You are not allowed to push code to this project.'] };
  const intended = await intendPush(house, {
    actor,
    action: 'repository:push',
    place,
    repositoryId,
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
  await house.db.tx((tx) => auditRefusedPush(tx, house, actor, place, refusal, question));
  const text = 'rule' in refusal ? refusal.rule.message : refusalText(refusal.lock, 'receive-pack');
  return { allowed: false, messages: [`GitLab: ${text}`] };
}

/** A push that only its refs' rules refused came with a good key: who tried what is worth a row. */
async function auditRefusedPush(
  tx: Tx,
  house: PushHouse,
  actor: Actor,
  { project }: ProjectPlace,
  refusal: PushRefusal,
  question: HookQuestion,
): Promise<void> {
  const row = 'rule' in refusal ? refusal.rule.row : refusal.lock.row;
  const { holder } = actor.credential;
  await auditDeed(tx, house, actor, {
    action: 'repository:push',
    result: 'refused',
    entityType: 'Project',
    entityId: project.id,
    entityPath: project.full_path,
    targetType: 'Push',
    targetDetails: question.updates
      .slice(0, 50)
      .map((update) => update.ref)
      .join(' '),
    message: `A push was refused by ${row}`,
    details: { refused_by: row, ...(holder.type === 'deploy_token' ? { username: holder.username } : {}) },
  });
}

/** What a pusher is told when he used a path that the project has left (reference git-and-deploy 8.1). */
export function movedNotice(oldPath: string, newPath: string, remote: string): readonly string[] {
  return [
    `Project '${oldPath}' was moved to '${newPath}'.`,
    '',
    'Please update your Git remote:',
    '',
    `  git remote set-url origin ${remote}`,
  ];
}
