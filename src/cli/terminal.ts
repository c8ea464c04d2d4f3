// What commands share towards the terminal: exit codes, and answers as text or JSON. It knows no command.
/** What the exit code says; docs/cli.md lists the same. */
export const EXIT = {
  /** done */
  ok: 0,
  /** refused, or it failed; the reason is on stderr */
  failed: 1,
  /** the command line or a setting is wrong */
  usage: 2,
  /** `explain` only: the answer is no */
  notAllowed: 3,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** How a command ended: for programs as `data`, for people as `text`. */
export interface CommandAnswer {
  readonly exit: ExitCode;
  /** what `--json` prints */
  readonly data: unknown;
  /** what is printed otherwise; on stderr when it failed */
  readonly text: string;
}

/** Prints an answer and gives its exit code. */
export function print(answer: CommandAnswer, asJson: boolean): ExitCode {
  const isError = answer.exit === EXIT.failed || answer.exit === EXIT.usage;
  if (asJson) process.stdout.write(`${JSON.stringify(answer.data, null, 2)}\n`);
  else (isError ? process.stderr : process.stdout).write(answer.text.endsWith('\n') ? answer.text : `${answer.text}\n`);
  return answer.exit;
}

/** A failure as an answer. */
export function failure(message: string, exit: ExitCode = EXIT.failed): CommandAnswer {
  return { exit, data: { error: message }, text: `keyward: ${message}` };
}

/** Rows as columns that line up; the first row is the heading. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Text from outside without control characters, so that a key's name cannot steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?');
}
