// Runs inside `git receive-pack`, once for each push, before any ref moves: asks the server over its private socket whether
// the push may happen and prints what the server wants said. It decides nothing, and everything unexpected refuses.
// It imports as little as it can: each push waits for it to start.
import { connect } from 'node:net';

const LIMIT = 8 * 1024 * 1024;
const PATIENCE = 120_000;

function refuse(text: string): never {
  process.stderr.write(`GitLab: ${text}\n`);
  process.exit(1);
}

async function readAll(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    size += chunk.length;
    if (size > LIMIT) refuse('Too many refs in one push.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function pushOptions(): string[] {
  const count = Number(process.env['GIT_PUSH_OPTION_COUNT'] ?? 0);
  return Array.from({ length: count }, (_, index) => process.env[`GIT_PUSH_OPTION_${index}`] ?? '');
}

const socketPath = process.env['KEYWARD_SOCKET'];
const nonce = process.env['KEYWARD_PUSH'];
if (!socketPath || !nonce) refuse('Pushes go through the server only.');

const question = {
  type: 'pre-receive',
  nonce,
  lines: (await readAll()).split('\n').filter((line) => line !== ''),
  options: pushOptions(),
  quarantine: {
    path: process.env['GIT_QUARANTINE_PATH'] ?? '',
    objectDirectory: process.env['GIT_OBJECT_DIRECTORY'] ?? '',
    alternates: process.env['GIT_ALTERNATE_OBJECT_DIRECTORIES'] ?? '',
  },
};

const socket = connect(socketPath);
socket.setTimeout(PATIENCE, () => refuse('The check of this push took too long.'));
socket.on('error', () => refuse('The server could not check this push.'));
socket.write(`${JSON.stringify(question)}\n`);

let answer = '';
socket.setEncoding('utf8');
socket.on('data', (chunk: string) => {
  answer += chunk;
  const end = answer.indexOf('\n');
  if (end !== -1) finish(answer.slice(0, end));
  else if (answer.length > LIMIT) refuse('The server could not check this push.');
});
socket.on('end', () => refuse('The server could not check this push.'));

function finish(line: string): never {
  let verdict: { allowed?: unknown; messages?: unknown };
  try {
    verdict = JSON.parse(line);
  } catch {
    refuse('The server could not check this push.');
  }
  const messages = Array.isArray(verdict.messages) ? verdict.messages.filter((text) => typeof text === 'string') : [];
  for (const message of messages) process.stderr.write(`${message}\n`);
  // Only the one word `true` lets a push through.
  process.exit(verdict.allowed === true ? 0 : 1);
}
