// What a test's page has of the engine. Its bundle is kept by this file's name and the package's scripts.
import { language, runnable } from "../../../mechbook/widgets/language/client.js";

Object.assign(globalThis, { language, runnable });
