// Two who want the same name at once: the database's unique columns decide, and the loser is told what the early bird's
// successor would have been told.
import { type Fault, fail } from '../kernel/faults.ts';
import { UniqueViolation } from '../storage/database.ts';

/** Runs `work` (a whole transaction); a clash of unique values becomes `fault`. */
export async function clashIs<T>(
  fault: Fault | ((clash: UniqueViolation) => Fault),
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UniqueViolation) fail(typeof fault === 'function' ? fault(error) : fault);
    throw error;
  }
}
