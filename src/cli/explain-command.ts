// `keyward explain`: which of the four locks lets a key in and which does not, in the words of the same judge that decides.
import { isAction, ruleOf } from '../access/actions.ts';
import { explain } from '../access/explain.ts';
import { atNamespace, type UnresolvedPlace } from '../access/place.ts';
import type { Services } from '../doors/services.ts';
import { parseId } from '../kernel/names.ts';
import { Secret } from '../kernel/secret.ts';
import type { CommandArguments } from './operator.ts';
import { missing, placeOf, placeRef, prove, requiredText, textOf } from './questions.ts';
import { type CommandAnswer, EXIT } from './terminal.ts';

/** Explains one question. Exit code 3 when the answer is no. */
export async function explainKey(services: Services, args: CommandArguments): Promise<CommandAnswer> {
  await prove(services, { action: 'credential:explain' });
  const action = requiredText(args, 'action');
  if (!isAction(action))
    return missing(`--action: there is no action "${action}"; such are project:read, repository:push`);
  const id = textOf(args, 'credential');
  const token = textOf(args, 'token');
  if ((id === undefined) === (token === undefined)) missing('exactly one of --credential and --token-stdin is needed');
  const place = placeFor(args, ruleOf(action).place);
  const presented =
    token !== undefined
      ? await services.verifier.token(new Secret(token))
      : await services.verifier.byId(parseId(id!) ?? missing('--credential must be an id'));
  const explanation = await explain(services, presented, { action, place, ref: textOf(args, 'ref') });
  const { allowed, refusedBy, locks } = explanation;
  const marks = locks.map(({ name, passed, reason }) => {
    const mark = passed === null ? ' ' : passed ? '+' : '-';
    return `  ${mark} ${name.padEnd(6)} ${reason}`;
  });
  return {
    exit: allowed ? EXIT.ok : EXIT.notAllowed,
    data: { allowed, refused_by: refusedBy, locks },
    text: [allowed ? 'allowed' : `refused by the lock "${refusedBy}"`, ...marks].join('\n'),
  };
}

function placeFor(
  args: CommandArguments,
  type: 'instance' | 'namespace' | 'group' | 'project',
): UnresolvedPlace | undefined {
  if (type === 'instance') return undefined;
  if (type === 'namespace') return atNamespace(placeRef(textOf(args, 'group') ?? missing('this action needs --group')));
  const place = placeOf(args);
  if (place?.type !== type) return missing(`this action needs --${type}`);
  return place;
}
