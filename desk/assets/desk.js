// Loaded on every screen: replacing parts, sending forms once, and for signed-in users shortcuts, user menu, barcode
// scanner, end of the session and loss of the connection.

import * as drops from "./drops.js";
import * as keys from "./keys.js";
import * as lately from "./lately.js";
import * as menu from "./menu.js";
import * as network from "./network.js";
import { signedInAs } from "./parts.js";
import * as send from "./send.js";
import * as session from "./session.js";
import "./swap.js";
import { sweep } from "./unsent.js";
import * as wand from "./wand.js";

if (signedInAs) for (const part of [network, session, wand, keys, menu, lately]) part.start();
drops.start();
send.start();
sweep();
