// What an SSH client asks for: takes the command line into words by the quoting rules of a shell, and no other rule of one, and
// finds them on the closed list of reference git-and-deploy 10.2 (security-lessons R29). It runs nothing and asks no store.
import { err, ok, type Result } from '../../kernel/result.ts';
import { COMMAND_LIMIT } from './frames.ts';

export type GitCommand = 'upload-pack' | 'receive-pack' | 'upload-archive';

export type SshCommand =
  | { readonly type: 'greeting' }
  | { readonly type: 'git'; readonly service: GitCommand; readonly path: string }
  | { readonly type: 'lfs_authenticate'; readonly path: string; readonly operation: 'download' | 'upload' }
  | { readonly type: 'personal_access_token'; readonly words: readonly string[] }
  | { readonly type: 'two_factor'; readonly name: string }
  | { readonly type: 'wrong_arguments' }
  | { readonly type: 'unknown'; readonly name: string }
  | { readonly type: 'unparsable'; readonly reason: string };

const GIT: Readonly<Record<string, GitCommand>> = {
  'git-upload-pack': 'upload-pack',
  'git-receive-pack': 'receive-pack',
  'git-upload-archive': 'upload-archive',
};

/** Reads a command line; null is a shell, which is greeted. */
export function readCommand(line: string | null): SshCommand {
  if (line === null) return { type: 'greeting' };
  const split = splitWords(line);
  if (!split.ok) return { type: 'unparsable', reason: split.error };
  let words = split.value;
  if (words.length === 0) return { type: 'greeting' };
  if (words[0] === 'git' && Object.hasOwn(GIT, `git-${words[1]}`)) words = [`git-${words[1]}`, ...words.slice(2)];
  const [name = '', ...rest] = words;
  if (Object.hasOwn(GIT, name)) {
    const path = rest.length === 1 ? readPath(rest[0]!) : null;
    return path === null ? { type: 'wrong_arguments' } : { type: 'git', service: GIT[name]!, path };
  }
  switch (name) {
    case 'git-lfs-authenticate': {
      const [path = '', operation] = rest;
      // git-lfs before 2.x sent the object's id as a third word.
      if (rest.length < 2 || rest.length > 3 || (operation !== 'download' && operation !== 'upload'))
        return { type: 'wrong_arguments' };
      const read = readPath(path);
      return read === null ? { type: 'wrong_arguments' } : { type: 'lfs_authenticate', path: read, operation };
    }
    case 'personal_access_token':
      return { type: 'personal_access_token', words: rest };
    case '2fa_recovery_codes':
    case '2fa_verify':
      return { type: 'two_factor', name };
    default:
      return { type: 'unknown', name };
  }
}

/**
 * A repository's path as clients write it: with or without a leading `/` and `.git`. `~` means nothing. A word that begins with
 * `-` would be an option somewhere and is no path. Whether a repository is there, or could be, is for others to say.
 */
function readPath(word: string): string | null {
  if (word.startsWith('-')) return null;
  return word
    .replace(/^\//, '')
    .replace(/\/$/, '')
    .replace(/\.git$/, '');
}

/** Quotes and backslashes as in a shell. Whatever else a shell would act on makes the line unreadable. */
export function splitWords(line: string): Result<string[], string> {
  if (line.length > COMMAND_LIMIT) return err('the command line is too long');
  if (/[\u0000-\u0008\u000a-\u001f\u007f\ufffd]/.test(line)) return err('the command line has control characters');
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | "'" | null = null;
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at]!;
    if (quote === "'") {
      if (sign === "'") quote = null;
      else word += sign;
    } else if (quote === '"') {
      if (sign === '"') quote = null;
      else if (sign === '\\' && '"\\$`'.includes(line[at + 1] ?? 'none')) word = `${word}${line[++at]}`;
      else if (sign === '$' || sign === '`') return err('the command line would be expanded by a shell');
      else word += sign;
    } else if (sign === ' ' || sign === '\t') {
      if (word !== null) words.push(word);
      word = null;
    } else if (sign === '"' || sign === "'") {
      quote = sign;
      word ??= '';
    } else if (sign === '\\') {
      if (at + 1 === line.length) return err('the command line ends in a backslash');
      word = (word ?? '') + line[++at];
    } else if (';&|<>()$`'.includes(sign)) {
      return err('the command line would be expanded by a shell');
    } else word = (word ?? '') + sign;
  }
  if (quote !== null) return err('a quotation mark is not closed');
  if (word !== null) words.push(word);
  return ok(words);
}
