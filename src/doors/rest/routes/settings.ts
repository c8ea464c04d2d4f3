// The instance's settings over REST (reference access-tokens 3.5).
import { changeSettings } from '../../../directory/settings.ts';
import { defaultSettings, readSettings } from '../../../settings/settings.ts';
import { json, type Route, route } from '../route.ts';
import { anything, none, object, optional } from '../schema.ts';

const params = object(
  Object.fromEntries(Object.keys(defaultSettings).map((name) => [name, optional(anything(`Setting ${name}`))])),
);

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/application/settings',
    action: 'settings:read',
    params: none,
    summary: 'Shows the settings of the instance',
    async handler({ services }) {
      return json({ id: 1, ...(await readSettings(services.db.read)) });
    },
  }),
  route({
    method: 'PUT',
    path: '/application/settings',
    action: 'settings:update',
    params,
    summary: 'Changes settings of the instance',
    async handler({ services, actor, allowed, input }) {
      return json({ id: 1, ...(await changeSettings(services, actor, allowed, input)) });
    },
  }),
];
