// The commands that ask: reads the command line, hands the command to the running server over its local socket, or runs it on
// the data folder when no server runs. It decides nothing; the answer comes from src/cli/commands.ts either way.
import { existsSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { type Config, ConfigError, derivedUrl, readConfig } from '../config.ts';
import { helpOf, optionsOf } from './help.ts';
import type { CommandArguments } from './operator.ts';
import { type CommandAnswer, EXIT, type ExitCode, failure, print } from './terminal.ts';

/** The commands that are named by two words. */
const FAMILIES: readonly string[] = ['token', 'key'];

/** Runs `token …`, `key …` or `explain …` as typed, and prints the answer. */
export async function runClient(argv: readonly string[]): Promise<ExitCode> {
  const asJson = argv.includes('--json');
  const words = FAMILIES.includes(argv[0]!) && argv[1] !== undefined && !argv[1].startsWith('-') ? 2 : 1;
  const name = argv.slice(0, words).join(' ');
  const help = helpOf(name);
  if (help === null) return print(failure(`there is no command "${name}"`, EXIT.usage), asJson);
  if (argv.includes('--help') || argv.includes('-h') || FAMILIES.includes(name)) {
    process.stdout.write(help);
    return FAMILIES.includes(name) && !argv.includes('--help') && !argv.includes('-h') ? EXIT.usage : EXIT.ok;
  }
  let args: CommandArguments;
  let config: Config;
  try {
    args = await parse(name, argv.slice(words));
    config = readConfig(process.env, process.cwd());
  } catch (error) {
    if (error instanceof ConfigError) return print(failure(error.problems.join('; '), EXIT.usage), asJson);
    return print(failure(error instanceof Error ? error.message : 'wrong arguments', EXIT.usage), asJson);
  }
  try {
    return print(await answer(config, name, args), asJson);
  } catch (error) {
    return print(failure(error instanceof Error ? error.message : 'the command failed'), asJson);
  }
}

/** Commands that take options alone. */
const WITHOUT_WORDS: readonly string[] = ['token create', 'token list', 'key add', 'key list', 'explain'];

async function parse(name: string, argv: readonly string[]): Promise<CommandArguments> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: optionsOf(name),
    allowPositionals: true,
    strict: true,
  });
  if (WITHOUT_WORDS.includes(name) && positionals.length > 0)
    throw new Error(`"${positionals[0]}" is not an option of ${name}`);
  const options: Record<string, string | boolean | string[] | undefined> = {};
  for (const [option, value] of Object.entries(values))
    options[option] = Array.isArray(value) ? value.map(String) : value;
  // A key on the command line would be in the shell's history and in everybody's list of processes.
  if (options['token-stdin'] === true) {
    options['token'] = (await readAll(process.stdin)).trim();
    if (options['token'] === '') throw new Error('standard input is empty: no key to explain');
  }
  delete options['json'];
  return { options, words: positionals };
}

async function answer(config: Config, name: string, args: CommandArguments): Promise<CommandAnswer> {
  const answered = await askServer(config, name, args);
  if (answered !== null) return answered;
  const database = config.databaseUrl.reveal();
  if (database.startsWith('sqlite:') && !existsSync(database.slice('sqlite:'.length)))
    return failure(
      `there is no Keyward in ${config.data}; name its folder in KEYWARD_DATA, or run "keyward serve" first`,
    );
  const { openHouse } = await import('../open-house.ts');
  const { runCommand } = await import('./commands.ts');
  const log = pino({ level: 'error', base: null }, pino.destination(2));
  const house = await openHouse(config, { url: config.url ?? derivedUrl(config, config.listen.port), log });
  try {
    return await runCommand(house.services, name, args);
  } finally {
    await house.close();
  }
}

/** The running server's answer; null when none runs on the data folder. */
async function askServer(config: Config, command: string, args: CommandArguments): Promise<CommandAnswer | null> {
  const { askLocalDoor } = await import('../doors/local/local-door.ts');
  let answered: unknown;
  try {
    answered = await askLocalDoor(config.data, { type: 'cli', command, args });
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
  const { exit, text, data } = answered as Partial<CommandAnswer>;
  if (exit === undefined || typeof text !== 'string') throw new Error('the server could not answer; its log says why');
  return { exit, text, data };
}
