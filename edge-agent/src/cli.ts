#!/usr/bin/env node
import { launch } from '@fogline/shared/cli-launch';

await launch(new URL('./program.ts', import.meta.url));
