// What every screen loads: exchange of parts, keys, the wand, live rows, saving once.

import "./swap.js";
