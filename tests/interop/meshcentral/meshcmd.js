// MeshCmd, whole and unmodified, at the device file of a virtual machine: it tells the machine's facts, sets it up in client control
// mode over LME, and takes the setup back. Each time `amt info` of the same device and the firmware's own truth agree with it.
//
//   node meshcmd.js AMT FOLDER_OF_MESHCENTRAL_AGENTS
//
// The current folder has the agent, and machine.json and state.json of `amt sim mei --json --state`. Prints "ok WHAT" or
// "FAILED WHAT: WHY" for each check; exit status 1 if one failed.
'use strict';
const { execFileSync, spawnSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const [amt, agents] = process.argv.slice(2);
const DEVICE = '/dev/mei0';
const PASSWORD = 'Mesh-Passw0rd';
const NO_MAC = '00:00:00:00:00:00';
const SECONDS = 20;
const machine = JSON.parse(fs.readFileSync('machine.json', 'utf8'));
let failed = 0;

function main() {
    assemble();
    facts();
    standing('before', { name: 'unprovisioned', state: 0, controlMode: 0 });
    check('no deactivation of what is not set up', () => same(meshcmd('amtdeactivate').trim(), 'Error 3'));
    check('amtccm', () => same(lines(meshcmd('amtccm', '--password', PASSWORD)).pop(), 'Success'));
    standing('set up', { name: 'client', state: 2, controlMode: 1 });
    check('the password is the one that was given', () => {
        const { realm, admin } = truth();
        const digest = crypto.createHash('md5').update(`admin:${realm}:${PASSWORD}`).digest('hex');
        same(admin.ha1, digest);
        same(remotely(PASSWORD), `GUID: ${machine.uuid}`);
        same(remotely('Wrong-Passw0rd!'), 'Intel AMT is not available or not activated.');
    });
    check('amtdeactivate', () => same(meshcmd('amtdeactivate').trim(), 'Success'));
    standing('afterwards', { name: 'unprovisioned', state: 0, controlMode: 0 });
    check('the password opens no more', () => same(remotely(PASSWORD), 'Intel AMT is not available or not activated.'));
    process.exit(failed === 0 ? 0 : 1);
}

// Puts MeshCmd together as MeshCentral's server does for those who download it: its modules before it, without what is not ASCII.
function assemble() {
    const text = file => fs.readFileSync(file, 'latin1').replace(/[^\x00-\x7f]/g, '');
    const folder = path.join(agents, 'modules_meshcmd');
    let whole = 'var addedModules = [];\r\n';
    for (const file of fs.readdirSync(folder).filter(file => file.endsWith('.js'))) {
        const name = JSON.stringify(file.slice(0, -'.js'.length));
        const code = JSON.stringify(text(path.join(folder, file)));
        whole += `try { addModule(${name}, ${code}); addedModules.push(${name}); } catch (ex) { }\r\n`;
    }
    fs.writeFileSync('meshcmd.js', whole + text(path.join(agents, 'meshcmd.js')));
}

function facts() {
    const [theirs, ours] = [amtinfo(), info()];
    check('version', () => {
        same(theirs.ver, ours.versions.AMT);
        same(`${theirs.ver}.${ours.versions['Build Number']}`, machine.version);
    });
    check('sku', () => same(theirs.sku, Number(ours.versions.Sku)));
    check('uuid', () => same([theirs.uuid, ours.uuid], [machine.uuid, machine.uuid]));
    check('provisioning mode', () => same(theirs.ProvisioningMode.mode, ours.control.provisioning_mode));
    check('addresses of both ports', () => {
        same(theirs.mac.HostMAC.toLowerCase(), ours.mac.host);
        same(theirs.mac.DedicatedMAC, ours.mac.dedicated || NO_MAC);
    });
    check('wired port', () => same(port(theirs.net0), ours.wired && known(ours.wired)));
    check('its address is the machine\'s', () => same(theirs.net0.address, machine.address));
    check('wireless port', () => same(port(theirs.net1), ours.wireless && known(ours.wireless)));
    check('suffix', () => same(theirs.DnsSuffix, ours.suffix));
    check('remote access', () => same(theirs.remoteAccessStatus === 2, ours.remote_access.connected));
    check('root hashes', () => {
        const hashes = JSON.parse(meshcmd('amthashes', '--json'));
        same(hashes.length > 0, true);
        const root = hash => ({
            active: hash.isActive === 1,
            algorithm: hash.hashAlgorithmStr.toLowerCase(),
            default: hash.isDefault === 1,
            hash: hash.certificateHash.toLowerCase(),
            name: hash.name,
        });
        same(hashes.map(root), ours.roots);
    });
}

// A port as MeshCmd tells it; one without an address of its own is none.
function port(net) {
    const mac = net.mac.toLowerCase();
    return mac === NO_MAC ? null : { address: net.address, dhcp: net.dhcpEnabled === 1, enabled: net.enabled === 1, mac };
}

function known({ address, dhcp, enabled, mac }) {
    return { address, dhcp, enabled, mac };
}

// How far the machine is set up: as MeshCmd, `amt info` and the firmware itself say.
function standing(when, { name, state, controlMode }) {
    check(`standing ${when}`, () => {
        const theirs = amtinfo();
        same([theirs.ProvisioningState.state, theirs.controlmode.controlMode], [state, controlMode]);
        same(info().control.standing, name);
        const { state: phase, control_mode: mode } = truth();
        same([phase, mode], [['pre', 'in', 'post'][state], ['none', 'client', 'admin'][controlMode]]);
    });
}

// What follows the first brace: before it, MeshCmd may say that no network card has the machine's address.
function amtinfo() {
    const text = meshcmd('amtinfo', '--json');
    return JSON.parse(text.slice(text.indexOf('{')));
}

function info() {
    return JSON.parse(execFileSync(amt, ['info', '--mei', DEVICE, '--json'], { encoding: 'utf8' }));
}

function truth() {
    return JSON.parse(fs.readFileSync('state.json', 'utf8')).machines[0];
}

// What MeshCmd says when it asks the machine over the network, as administrator.
function remotely(password) {
    return meshcmd('amtuuid', '--hostname', machine.address, '--username', 'admin', '--password', password).trim();
}

// What MeshCmd says. Its exit status tells nothing: it is 1 after a success, too.
function meshcmd(...action) {
    const options = { encoding: 'utf8', timeout: SECONDS * 1000, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'inherit'] };
    const run = spawnSync('./agent', ['meshcmd.js', ...action], options);
    if (run.error || run.signal) throw new Error(`MeshCmd ${action[0]}: ${run.error || run.signal}: ${run.stdout}`);
    return run.stdout;
}

function lines(text) {
    return text.trim().split(/\r?\n/);
}

function same(got, wanted) {
    const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
    if (a !== b) throw new Error(`${a} instead of ${b}`);
}

function check(what, body) {
    const name = `meshcmd ${machine.version} ${what}`;
    try {
        body();
        console.log(`ok ${name}`);
    } catch (error) {
        failed++;
        console.log(`FAILED ${name}: ${error.message}`);
    }
}

main();
