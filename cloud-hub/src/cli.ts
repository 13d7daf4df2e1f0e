#!/usr/bin/env node
import { main } from '@fogline/shared/cli';
import { program } from './cli-commands.ts';

await main(program);
