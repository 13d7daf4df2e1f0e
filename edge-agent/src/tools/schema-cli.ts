/** `fogline-agent schema`: the JSON Schema of the configuration, for editors. */
import { defineCommand } from '@fogline/shared/cli';
import { schemaText } from './schema-docs.ts';

export const schemaCommand = defineCommand({
  name: 'schema',
  summary: 'Prints the JSON Schema of the configuration, for completion and checks in an editor.',
  run({ io }) {
    io.out(schemaText().trimEnd());
  },
});
