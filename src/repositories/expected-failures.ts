// Which ends of git are answers and no trouble: a name that is not there, a path that no commit has, a merge that conflicts. It
// reads what git said and knows nobody who asked; whatever it does not know is unexpected.

/** What git says of names that callers made up. Its messages are untranslated here (LC_ALL=C). */
const ABOUT_NAMES =
  /not a valid object name|bad revision|bad object|unknown revision|ambiguous argument|needed a single revision|not our ref|does not exist in|no such path|exists on disk, but not in|invalid object name|not a tree object|no such ref|couldn't find remote ref|has only \d+ lines?/i;

/** Whether a child that ended with `code`, saying `stderr`, only answered a question with no. */
export function isExpectedFailure(code: number, stderr: string): boolean {
  // By convention 1 is "no": no ancestor, nothing found, conflicts. Damage is 128 and more, signals are negative.
  if (code === 1) return !/^(?:fatal|error|git):/m.test(stderr) || ABOUT_NAMES.test(stderr);
  return code === 128 && ABOUT_NAMES.test(stderr);
}
