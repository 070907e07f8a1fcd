/** Entry of the reader thread: the only place that loads the native addon. */
import { monitors } from '../monitors/index.ts';
import { serve } from './thread.ts';

serve(monitors);
