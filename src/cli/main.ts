// The command line's first step: which command is meant. Every command is loaded only when it is asked for, so that `--version`
// and a token command do not pay for the server.
import { enableCompileCache } from 'node:module';
import { join, resolve } from 'node:path';
import { HELP, helpOf } from './help.ts';
import { EXIT } from './terminal.ts';

/** Commands without options of their own. */
const ALONE: readonly string[] = ['serve', 'sshd-config', 'ssh-authorized-keys', 'ssh-command'];

async function run(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  if (command === undefined || command === 'help' || command === '--help' || command === '-h') {
    const text = command === 'help' && rest.length > 0 ? helpOf(rest.join(' ')) : HELP;
    if (text === null) return usage(`there is no command "${rest.join(' ')}"`);
    process.stdout.write(text);
    return EXIT.ok;
  }
  if (command === '--version' || command === 'version') {
    const { VERSION } = await import('./version.ts');
    process.stdout.write(
      rest.includes('--json') ? `${JSON.stringify({ version: VERSION })}\n` : `keyward ${VERSION}\n`,
    );
    return EXIT.ok;
  }
  // The others look for it among their own options.
  const help =
    ALONE.includes(command) && rest.some((word) => word === '--help' || word === '-h') ? helpOf(command) : null;
  if (help !== null) {
    process.stdout.write(help);
    return EXIT.ok;
  }
  if (command === 'serve') return (await import('./serve.ts')).serve(rest);
  if (command === 'ssh-authorized-keys') return (await import('./ssh-commands.ts')).authorizedKeys(rest);
  if (command === 'sshd-config') return (await import('./ssh-commands.ts')).sshdConfig(rest);
  if (command === 'ssh-command') return (await import('./ssh-commands.ts')).forcedCommand(rest);
  if (command === 'token' || command === 'key' || command === 'explain')
    return (await import('./client.ts')).runClient(argv);
  if (['doctor', 'backup', 'restore', 'audit'].includes(command))
    return (await import('./trust-commands.ts')).runTrust(argv);
  return usage(`there is no command "${command}"`);
}

function usage(problem: string): number {
  process.stderr.write(`keyward: ${problem}\nRun "keyward help" to see the commands.\n`);
  return EXIT.usage;
}

// Compiled code is kept in the data folder, where nobody else can put any; before the first start there is none.
const data = resolve(process.env['KEYWARD_DATA'] || 'data');
const { existsSync } = await import('node:fs');
if (existsSync(join(data, 'tmp'))) enableCompileCache(join(data, 'tmp', 'compile-cache'));

process.exit(await run(process.argv.slice(2)));
