// `keyward doctor`, `backup`, `restore`, `audit export` and `audit verify`: what an operator does with the data folder itself. They
// work in a process of their own beside a running server, so that nothing of theirs holds a request up.
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { type Config, ConfigError, derivedUrl, readConfig } from '../config.ts';
import type { Services } from '../doors/services.ts';
import { DAY, parseDate, parseInstant } from '../kernel/clock.ts';
import { openHouse } from '../open-house.ts';
import { createGit } from '../repositories/git.ts';
import { createRepositories } from '../repositories/repository-files.ts';
import { loadInstanceKeys } from '../storage/instance-keys.ts';
import { exportLines, verifyFile } from './audit-file.ts';
import { backup } from './backup/backup.ts';
import { isInside, restore } from './backup/restore.ts';
import { diagnose } from './doctor/doctor.ts';
import { helpOf, optionsOf } from './help.ts';
import { UsageError } from './operator.ts';
import { type CommandAnswer, EXIT, type ExitCode, failure, print, printable } from './terminal.ts';

type Options = Readonly<Record<string, string | boolean | undefined>>;
type Command = (config: Config, words: readonly string[], options: Options) => Promise<CommandAnswer | null>;

const commands: Readonly<Record<string, Command>> = {
  doctor: doctorCommand,
  backup: backupCommand,
  restore: restoreCommand,
  'audit export': exportCommand,
  'audit verify': verifyCommand,
};

/** Runs `argv` and prints the answer. */
export async function runTrust(argv: readonly string[]): Promise<ExitCode> {
  const asJson = argv.includes('--json');
  const words = argv[0] === 'audit' && argv[1] !== undefined && !argv[1].startsWith('-') ? 2 : 1;
  const name = argv.slice(0, words).join(' ');
  const help = helpOf(name);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const wantsHelp = argv.includes('--help') || argv.includes('-h');
  if (help !== null && (wantsHelp || !command)) {
    process.stdout.write(help);
    return wantsHelp ? EXIT.ok : EXIT.usage;
  }
  if (!command) return print(failure(`there is no command "${name}"`, EXIT.usage), asJson);
  process.umask(0o077);
  try {
    const options = optionsOf(name);
    const parsed = parseArgs({ args: argv.slice(words), options, allowPositionals: true, strict: true });
    const answer = await command(readConfig(process.env, process.cwd()), parsed.positionals, parsed.values as Options);
    return answer === null ? EXIT.ok : print(answer, asJson);
  } catch (error) {
    const message = error instanceof ConfigError ? error.problems.join('; ') : (error as Error).message;
    const code = (error as { code?: string }).code ?? '';
    const isUsage = error instanceof UsageError || error instanceof ConfigError || code.startsWith('ERR_PARSE_ARGS');
    return print(failure(message, isUsage ? EXIT.usage : EXIT.failed), asJson);
  }
}

async function withHouse<T>(config: Config, work: (services: Services) => Promise<T>): Promise<T> {
  const url = config.databaseUrl.reveal();
  if (url.startsWith('sqlite:') && !existsSync(url.slice('sqlite:'.length)))
    throw new Error(`there is no Keyward in ${config.data}; name its folder in KEYWARD_DATA`);
  const log = pino({ level: 'error', base: null }, pino.destination(2));
  const house = await openHouse(config, { url: config.url ?? derivedUrl(config, config.listen.port), log });
  try {
    return await work(house.services);
  } finally {
    await house.close();
  }
}

function oneWord(words: readonly string[], what: string): string {
  if (words.length !== 1 || words[0] === '') throw new UsageError(`exactly one ${what} is needed`);
  return words[0]!;
}

function noWords(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`"${words[0]}" is not an option of this command`);
}

async function doctorCommand(config: Config, words: readonly string[], options: Options): Promise<CommandAnswer> {
  noWords(words);
  const diagnosis = await diagnose(config, { fsck: options['fsck'] === true }, (work) => withHouse(config, work));
  const lines = diagnosis.findings.map(({ level, check, text }) => `${level.padEnd(6)}  ${check}: ${printable(text)}`);
  const verdict = diagnosis.clean ? 'all is in order' : diagnosis.damaged ? 'there is DAMAGE' : 'there are risks';
  const server = diagnosis.serving ? 'a server is running' : 'no server is running';
  const text = `${[...lines, `${verdict} (${server})`].join('\n')}\n`;
  return { exit: diagnosis.clean ? EXIT.ok : EXIT.failed, data: diagnosis, text };
}

async function backupCommand(config: Config, words: readonly string[], options: Options): Promise<CommandAnswer> {
  const target = resolve(oneWord(words, 'folder'));
  const withKeys = options['with-keys'] === true;
  if (isInside(target, join(config.data, 'repositories')))
    throw new UsageError('a backup cannot lie among the repositories that it copies');
  const manifest = await withHouse(config, (services) => backup(services, config, { target, withKeys }));
  const bytes = manifest.files.reduce((sum, file) => sum + file.size, 0);
  const keys = withKeys
    ? 'It HOLDS THE INSTANCE KEYS and the SSH host keys: whoever has this folder can make tokens valid that he wrote himself, open every sealed secret and pose as this server. Keep it like a password.'
    : `It holds no instance keys and no SSH host keys: without the folder ${config.keys} no token of this instance will ever work again, and SSH clients will warn of a changed host. Keep a copy of that folder elsewhere.`;
  return {
    exit: EXIT.ok,
    data: {
      folder: target,
      files: manifest.files.length,
      bytes,
      with_keys: withKeys,
      created_at: manifest.created_at,
      missing_repositories: manifest.missing_repositories,
    },
    text: `backed up to ${target}: ${manifest.files.length} files, ${bytes} bytes\n${keys}`,
  };
}

async function restoreCommand(config: Config, words: readonly string[], options: Options): Promise<CommandAnswer> {
  const folder = oneWord(words, 'folder of a backup');
  const repositories = createRepositories({ root: join(config.data, 'repositories'), git: createGit({}) });
  const acceptLostKeys = options['accept-lost-keys'] === true;
  const restored = await restore(config, repositories, { folder, acceptLostKeys });
  const { created_at: createdAt } = restored.manifest;
  return {
    exit: EXIT.ok,
    data: { data: config.data, created_at: createdAt, repositories: restored.repositories, notes: restored.notes },
    text: [
      `restored to ${config.data} as it was at ${createdAt}: ${restored.repositories} repositories`,
      ...restored.notes.map(printable),
      'Look at it with "keyward doctor --fsck", then start it with "keyward serve".',
    ].join('\n'),
  };
}

async function exportCommand(
  config: Config,
  words: readonly string[],
  options: Options,
): Promise<CommandAnswer | null> {
  noWords(words);
  const span = { from: instantOf(options, 'from'), to: instantOf(options, 'to') };
  const { output } = options;
  if (typeof output !== 'string') {
    await withHouse(config, async (services) => {
      for await (const line of exportLines(services, span))
        if (!process.stdout.write(line)) await new Promise((resume) => process.stdout.once('drain', resume));
      // What is still in the pipe must be out before the process ends.
      await new Promise<void>((done) => process.stdout.write('', () => done()));
    });
    return null;
  }
  let lines = 0;
  await withHouse(config, async (services) => {
    const file = await open(output, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw new Error(`${output} exists already; nothing is written over`);
      throw new Error(`${output} cannot be made (${error.code})`);
    });
    try {
      for await (const line of exportLines(services, span)) {
        await file.appendFile(line);
        lines += 1;
      }
      await file.sync();
    } finally {
      await file.close();
    }
  });
  return { exit: EXIT.ok, data: { file: resolve(output), lines }, text: `exported to ${output}: ${lines} lines` };
}

/** A date or an instant; the whole day for a bare date after `--to`. */
function instantOf(options: Options, name: 'from' | 'to'): number | null {
  const text = options[name];
  if (typeof text !== 'string') return null;
  const instant = parseInstant(text);
  if (instant === null) throw new UsageError(`--${name} must be a date or a time such as 2026-01-31T12:00:00Z`);
  return name === 'to' && text.trim().length === 10 && parseDate(text) !== null ? instant + DAY - 1 : instant;
}

async function verifyCommand(_: Config, words: readonly string[], options: Options): Promise<CommandAnswer> {
  const file = oneWord(words, 'file');
  const { keys, head } = options;
  if (typeof keys === 'string' && !existsSync(keys)) throw new UsageError(`--keys: there is no folder ${keys}`);
  if (!existsSync(file)) throw new UsageError(`there is no file ${file}`);
  const report = await verifyFile(file, typeof keys === 'string' ? loadInstanceKeys(keys) : null);
  const findings = [...report.findings];
  if (typeof head === 'string' && head !== report.head)
    findings.push({ code: 'head_differs', batch: null, event: null, text: `the newest batch is ${report.head}` });
  const proof = report.keysChecked
    ? 'sealed by the instance of these keys'
    : 'agrees with itself; who sealed it was not checked (--keys)';
  const held = `${report.events} rows in ${report.batches} batches, ${report.unsealed} not sealed yet; newest batch ${report.head}`;
  return {
    exit: findings.length === 0 ? EXIT.ok : EXIT.failed,
    data: { ok: findings.length === 0, ...report, findings },
    text: findings.length === 0 ? `${held}\n${proof}` : findings.map(({ text }) => printable(text)).join('\n'),
  };
}
