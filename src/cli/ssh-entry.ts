// What sshd starts at every sign-in: the commands of ssh-commands.ts and nothing else of the command line, so that it is there
// in a moment. People use `keyward`.
import { authorizedKeys, forcedCommand } from './ssh-commands.ts';

const [command, ...rest] = process.argv.slice(2);
process.exit(await (command === 'ssh-authorized-keys' ? authorizedKeys(rest) : forcedCommand(rest)));
