// `keyward serve`: runs the server until a signal, and tells people in plain words where it is and, once, who the first
// administrator is. The log is JSON lines on standard output; the words for people go to standard error.
import pino from 'pino';
import { ConfigError, isLoopback, readConfig } from '../config.ts';
import { isoTime, systemClock } from '../kernel/clock.ts';
import type { RunningServer } from '../server.ts';
import { logOutput } from './log-output.ts';
import { EXIT, type ExitCode } from './terminal.ts';

/** Runs the server. Resolves with the exit code once it has stopped. */
export async function serve(args: readonly string[]): Promise<ExitCode> {
  if (args.length > 0) {
    process.stderr.write('keyward: serve takes no arguments; settings are KEYWARD_… variables or keyward.toml\n');
    return EXIT.usage;
  }
  process.umask(0o077);
  let config: ReturnType<typeof readConfig>;
  try {
    config = readConfig(process.env, process.cwd());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) process.stderr.write(`keyward: ${problem}\n`);
    return EXIT.usage;
  }
  const output = logOutput();
  const log = pino({ base: null, timestamp: () => `,"time":"${isoTime(systemClock.now())}"` }, output);
  for (const warning of config.warnings) log.warn(warning);
  const { startServer } = await import('../server.ts');
  let server: RunningServer;
  try {
    server = await startServer(config, { log });
  } catch (error) {
    log.fatal({ err: error }, 'the server does not start');
    process.stderr.write(`keyward: ${error instanceof Error ? error.message : 'the server does not start'}\n`);
    return EXIT.failed;
  }
  log.info({ url: server.url, pid: process.pid, data: config.data }, 'ready');
  // Before the words for people: who waits for those may look for the line.
  output.flushSync();
  process.stderr.write(banner(server, config));
  const why = await stopAsked();
  log.info({ why }, 'stopping');
  await server.stop();
  log.info('stopped');
  return EXIT.ok;
}

function banner(server: RunningServer, config: ReturnType<typeof readConfig>): string {
  const lines = ['', `  Keyward is ready at ${server.url}`, `  data folder: ${config.data}`];
  if (server.sshUrl) lines.push(`  git over SSH: ${server.sshUrl}`);
  if (server.generatedPassword)
    lines.push(
      '',
      '  The first administrator (this is shown once, and only here):',
      '    user      root',
      `    password  ${server.generatedPassword.reveal()}`,
    );
  if (!config.tls && !isLoopback(config.listen.host) && config.trustedProxies.length === 0)
    lines.push(
      '',
      '  WARNING: plain HTTP on an address that others reach: keys travel in clear text. Set KEYWARD_TLS_CERT and',
      '  KEYWARD_TLS_KEY, or put a proxy in front and name it in KEYWARD_TRUSTED_PROXIES.',
    );
  return `${lines.join('\n')}\n\n`;
}

/** Resolves with the reason when the process is told to end. Later signals are heard and change nothing. */
function stopAsked(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
    if (process.env['KEYWARD_LAUNCHED'] && process.channel) {
      // The launcher was killed outright: nobody could reach this process to end it any more.
      process.on('disconnect', () => resolve('the launcher is gone'));
      process.channel.unref();
    }
  });
}
