// Opens the database of the given URL and closes it again; started several times at once by migrate.test.ts.
import { systemClock } from '../../src/kernel/clock.ts';
import { openDatabase } from '../../src/storage/open-database.ts';

await (await openDatabase({ url: process.argv[2] ?? '', clock: systemClock })).close();
