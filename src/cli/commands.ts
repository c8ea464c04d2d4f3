// Runs one command of the command line over a house, in the running server or without one: the same rooms, the same decisions and
// the same audit rows as for any other door, with the credential of the local operator.
import { deadRefusal, type Refusal } from '../access/refusal.ts';
import type { Services } from '../doors/services.ts';
import { type Fault, FaultError } from '../kernel/faults.ts';
import { explainKey } from './explain-command.ts';
import { addKey, changeKey, disableKey, enableKey, listKeys, removeKey, showKey, takeKey } from './key-commands.ts';
import { type CommandArguments, RefusedError, UsageError } from './operator.ts';
import { type CommandAnswer, EXIT, failure } from './terminal.ts';
import { createToken, listTokens, revokeToken, rotateToken } from './token-commands.ts';

type Command = (services: Services, args: CommandArguments) => Promise<CommandAnswer>;

const commands: Readonly<Record<string, Command>> = {
  'token create': createToken,
  'token list': listTokens,
  'token rotate': rotateToken,
  'token revoke': revokeToken,
  'key add': addKey,
  'key list': listKeys,
  'key show': showKey,
  'key enable': enableKey,
  'key change': changeKey,
  'key take': takeKey,
  'key disable': disableKey,
  'key remove': removeKey,
  explain: explainKey,
};

/** Runs the command `name`. Everything expected becomes an answer; only faults of the program are thrown. */
export async function runCommand(services: Services, name: string, args: CommandArguments): Promise<CommandAnswer> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) return failure(`there is no command "${name}"`, EXIT.usage);
  try {
    return await command(services, args);
  } catch (error) {
    if (error instanceof UsageError) return failure(error.message, EXIT.usage);
    if (error instanceof RefusedError) return failure(refusalText(error.refusal));
    if (error instanceof FaultError) return failure(faultText(error.fault));
    throw error;
  }
}

/** Reads what came over the local socket. Throws UsageError when it is no command's arguments. */
export function readArguments(value: unknown): CommandArguments {
  const { options, words } = (value ?? {}) as Partial<Record<keyof CommandArguments, unknown>>;
  const isText = (item: unknown) => typeof item === 'string';
  const sound =
    typeof options === 'object' &&
    options !== null &&
    Object.values(options).every(
      (item) => isText(item) || typeof item === 'boolean' || (Array.isArray(item) && item.every(isText)),
    );
  if (!sound || !Array.isArray(words) || !words.every(isText)) throw new UsageError('the arguments cannot be read');
  return { options: options as CommandArguments['options'], words: words as string[] };
}

function refusalText(refusal: Refusal): string {
  if (refusal.code === 'hidden') return `${(refusal.thing ?? 'place').toLowerCase()} not found`;
  return `refused by the lock "${refusal.lock}": ${refusal.dead ? deadRefusal(refusal.dead).detail : refusal.detail}`;
}

function faultText(fault: Fault): string {
  switch (fault.code) {
    case 'invalid_parameters':
      return fault.texts.join(', ');
    case 'invalid_record':
      return Object.entries(fault.fields)
        .flatMap(([field, texts]) => texts.map((text) => `${field} ${text}`))
        .join(', ');
    case 'bad_request':
    case 'unprocessable':
    case 'conflict':
      return fault.reason || fault.code;
    case 'not_found':
      return `${fault.thing || 'key'} not found`.toLowerCase();
    default:
      return fault.code.replaceAll('_', ' ');
  }
}
