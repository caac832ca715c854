using System;
using System.Net;
using System.Security;
using System.Threading;
using System.Threading.Tasks;

namespace Amt
{
    /// <summary>A provisioned machine, asked by WS-Man over one connection. One call at a time; <see cref="Cancel"/> may come from any
    /// thread. Before the first call one of the <c>Trust</c> methods says whom to take the machine for: there is no default.</summary>
    /// <remarks>A reply is a JSON object with <c>kind</c>, <c>class</c>, <c>method</c>, <c>return_value</c> and <c>items</c>: a list of objects
    /// with <c>class</c> and <c>properties</c>. All values are text; repeated properties are arrays. Selectors and arguments are JSON objects
    /// of names and values.</remarks>
    public sealed partial class Device : IDisposable
    {
        private delegate uint Call(out DocumentHandle reply, out IntPtr err);

        private readonly DeviceHandle handle;
        private readonly IPAddress address;

        /// <summary>A device for the machine at this address. Nothing is sent before the first call.</summary>
        /// <param name="address">Where it is.</param>
        /// <param name="user">An account of its firmware, such as <c>admin</c>.</param>
        /// <param name="password">The account's password.</param>
        /// <param name="port">0: the usual one, 16993, or 16992 without TLS.</param>
        public Device(IPAddress address, string user, SecureString password, int port = 0)
        {
            if (password == null)
            {
                throw new ArgumentNullException("password");
            }
            DeviceHandle device = null;
            Writing.Secret(password, delegate(byte[] secret) { device = New(address, user, secret, port); });
            handle = device;
            this.address = address;
        }

        /// <summary>The same with a password that is no secret.</summary>
        public Device(IPAddress address, string user, string password, int port = 0)
        {
            if (password == null)
            {
                throw new ArgumentNullException("password");
            }
            DeviceHandle device = null;
            Writing.Secret(password, delegate(byte[] secret) { device = New(address, user, secret, port); });
            handle = device;
            this.address = address;
        }

        /// <summary>Accepts certificates of these authorities (PEM, one or several) that carry the machine's host name.</summary>
        public void TrustRoots(byte[] roots, string name)
        {
            if (roots == null)
            {
                throw new ArgumentNullException("roots");
            }
            byte[] nameBytes = Writing.Required(name, "name");
            IntPtr err;
            uint status = Native.amt_device_trust_roots(
                handle, roots, roots.Length(), nameBytes, nameBytes.Length(), out err);
            Failure.Check(status, err);
        }

        /// <summary>Accepts only the certificate whose DER has this SHA-256: 32 bytes.</summary>
        public void TrustPin(byte[] sha256)
        {
            if (sha256 == null)
            {
                throw new ArgumentNullException("sha256");
            }
            IntPtr err;
            Failure.Check(Native.amt_device_trust_pin(handle, sha256, sha256.Length(), out err), err);
        }

        /// <summary>Accepts any certificate of the machine: whoever is in between reads and changes everything.</summary>
        public void TrustAny()
        {
            IntPtr err;
            Failure.Check(Native.amt_device_trust_any(handle, out err), err);
        }

        /// <summary>No TLS at all: firmware before 16.1 only, and readable by everyone on the way.</summary>
        public void TrustPlain()
        {
            IntPtr err;
            Failure.Check(Native.amt_device_trust_plain(handle, out err), err);
        }

        /// <summary>The certificate to show to a machine with mutual TLS, its issuers and its key with it. One that the machine refuses ends
        /// calls with <see cref="AmtCode.TlsClientRefused"/>.</summary>
        public void SetClientCertificate(Certificate certificate)
        {
            if (certificate == null)
            {
                throw new ArgumentNullException("certificate");
            }
            IntPtr err;
            Failure.Check(Native.amt_device_set_client_certificate(handle, certificate.Handle, out err), err);
        }

        /// <summary>Whether old TLS may be used, without which AMT before 14 is not reached; until told otherwise it is refused.</summary>
        public void SetLegacyTls(LegacyTls consent)
        {
            IntPtr err;
            Failure.Check(Native.amt_device_set_legacy_tls(handle, (uint)consent, out err), err);
        }

        /// <summary>Reads the instance of a class that the selectors choose; null: the only one.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.WrongOrLocked"/>: user or password is wrong, or the account is locked;
        /// <see cref="AmtCode.SoapFault"/>: what the machine said against it.</exception>
        public string Get(string className, string selectors = null)
        {
            byte[] name = Writing.Required(className, "className"), which = Writing.Text(selectors);
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_get(handle, name, name.Length(), which, which.Length(), out reply, out err);
            });
        }

        /// <summary>Replaces the instance of a class that the selectors choose by what <see cref="Get"/> brought, whole and with the changes
        /// made, or by an object of the properties alone. The reply has the instance as the machine has it now.</summary>
        public string Put(string className, string instance, string selectors = null)
        {
            byte[] name = Writing.Required(className, "className"), which = Writing.Text(selectors);
            if (instance == null)
            {
                throw new ArgumentNullException("instance");
            }
            string result = null;
            Writing.Secret(instance, delegate(byte[] body)
            {
                result = Reply(delegate(out DocumentHandle reply, out IntPtr err)
                {
                    return Native.amt_device_put(
                        handle, name, name.Length(), body, body.Length(), which, which.Length(), out reply, out err);
                });
            });
            return result;
        }

        /// <summary>Calls a method of the instance of a class that the selectors choose. The reply's item is the method's output.</summary>
        /// <param name="className">The class.</param>
        /// <param name="method">Its method.</param>
        /// <param name="arguments">A JSON object, in the order of the method's definition; null: none.</param>
        /// <param name="selectors">Choose the instance; null: the only one.</param>
        /// <exception cref="AmtException"><see cref="AmtCode.ReturnValue"/>: it is not 0; <see cref="AmtException.DeviceStatus"/> has
        /// it.</exception>
        public string Invoke(string className, string method, string arguments = null, string selectors = null)
        {
            byte[] name = Writing.Required(className, "className"), called = Writing.Required(method, "method");
            byte[] which = Writing.Text(selectors);
            string result = null;
            Writing.Secret(arguments, delegate(byte[] given)
            {
                result = Reply(delegate(out DocumentHandle reply, out IntPtr err)
                {
                    return Native.amt_device_invoke(
                        handle, name, name.Length(), called, called.Length(), given, given.Length(), which, which.Length(),
                        out reply, out err);
                });
            });
            return result;
        }

        /// <summary>Lists all instances of a class: the reply has an item for each.</summary>
        public string Enumerate(string className)
        {
            byte[] name = Writing.Required(className, "className");
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_enumerate(handle, name, name.Length(), out reply, out err);
            });
        }

        /// <summary>Facts of the connection as JSON: <c>address</c>, <c>firmware</c> (null before the machine has answered) and <c>tls</c> (null
        /// before the first handshake, or without TLS).</summary>
        public string GetConnection()
        {
            return Reply(delegate(out DocumentHandle reply, out IntPtr err)
            {
                return Native.amt_device_connection(handle, out reply, out err);
            });
        }

        /// <summary>Makes calls on a thread of the pool: <c>device.RunAsync(d =&gt; d.Get("AMT_GeneralSettings"), token)</c>. A cancelled token
        /// ends the call that is under way, and the device: what the machine was sent it may have done.</summary>
        /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
        public Task<T> RunAsync<T>(Func<Device, T> calls, CancellationToken cancellation = default(CancellationToken))
        {
            if (calls == null)
            {
                throw new ArgumentNullException("calls");
            }
            return Task.Run(delegate { return Cancelling.Run(Cancel, cancellation, delegate { return calls(this); }); });
        }

        /// <summary>Ends the call that is under way in another thread, and every later one, with <see cref="AmtCode.Cancelled"/>. What the
        /// machine was sent it may have done.</summary>
        public void Cancel()
        {
            IntPtr err;
            Failure.Check(Native.amt_device_cancel(handle, out err), err);
        }

        /// <summary>Where the machine is.</summary>
        public override string ToString()
        {
            return "the machine at " + address;
        }

        /// <summary>Ends the connection and frees the device, once no call is inside any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }

        private static DeviceHandle New(IPAddress address, string user, byte[] password, int port)
        {
            if (address == null)
            {
                throw new ArgumentNullException("address");
            }
            if (port < 0 || port > 65535)
            {
                throw new ArgumentOutOfRangeException("port");
            }
            byte[] addressBytes = Writing.Text(address.ToString()), userBytes = Writing.Required(user, "user");
            Library.Check();
            DeviceHandle device;
            IntPtr err;
            uint status = Native.amt_device_new(
                addressBytes, addressBytes.Length(), (ushort)port, userBytes, userBytes.Length(), password, password.Length(),
                out device, out err);
            Failure.Check(status, err);
            return device;
        }

        private static string Reply(Call call)
        {
            DocumentHandle reply;
            IntPtr err;
            Failure.Check(call(out reply, out err), err);
            return reply.Json();
        }
    }
}
