using System;
using System.Runtime.InteropServices;
using System.Security;
using System.Text;

namespace Amt
{
    internal delegate uint NumberOf<T>(T handle, out uint value, out IntPtr err);

    internal delegate uint SizeOf<T>(T handle, out UIntPtr value, out IntPtr err);

    internal delegate uint DataOf<T>(T handle, out IntPtr data, out UIntPtr len, out IntPtr err);

    internal delegate uint ItemOf<T>(T handle, UIntPtr index, out IntPtr data, out UIntPtr len, out IntPtr err);

    // What the library gives lies in the handle that was asked: it is copied while the handle is held, so that no other thread frees it
    // in between.
    internal static class Reading
    {
        internal static uint Number<T>(this T handle, NumberOf<T> function) where T : NativeHandle
        {
            uint value;
            IntPtr err;
            Failure.Check(function(handle, out value, out err), err);
            return value;
        }

        internal static int Size<T>(this T handle, SizeOf<T> function) where T : NativeHandle
        {
            UIntPtr value;
            IntPtr err;
            Failure.Check(function(handle, out value, out err), err);
            return checked((int)value.ToUInt64());
        }

        internal static byte[] Bytes<T>(this T handle, DataOf<T> function) where T : NativeHandle
        {
            return Held(handle, delegate
            {
                IntPtr data, err;
                UIntPtr len;
                Failure.Check(function(handle, out data, out len, out err), err);
                return Copy(data, len);
            });
        }

        internal static byte[] Bytes<T>(this T handle, ItemOf<T> function, int index) where T : NativeHandle
        {
            return Held(handle, delegate
            {
                IntPtr data, err;
                UIntPtr len;
                Failure.Check(function(handle, new UIntPtr((uint)index), out data, out len, out err), err);
                return Copy(data, len);
            });
        }

        internal static string Text<T>(this T handle, DataOf<T> function) where T : NativeHandle
        {
            return Encoding.UTF8.GetString(handle.Bytes(function));
        }

        internal static string Text<T>(this T handle, ItemOf<T> function, int index) where T : NativeHandle
        {
            return Encoding.UTF8.GetString(handle.Bytes(function, index));
        }

        // A document that was made for the caller, as text.
        internal static string Json(this DocumentHandle document)
        {
            using (document)
            {
                return document.Text(Native.amt_document_json);
            }
        }

        // The buffer in between is zeroed.
        internal static SecureString Secret<T>(this T handle, ItemOf<T> function, int index) where T : NativeHandle
        {
            return Secret(handle.Bytes(function, index));
        }

        internal static SecureString Secret<T>(this T handle, DataOf<T> function) where T : NativeHandle
        {
            return Secret(handle.Bytes(function));
        }

        private static SecureString Secret(byte[] bytes)
        {
            char[] chars = Encoding.UTF8.GetChars(bytes);
            Array.Clear(bytes, 0, bytes.Length);
            var secret = new SecureString();
            foreach (char letter in chars)
            {
                secret.AppendChar(letter);
            }
            Array.Clear(chars, 0, chars.Length);
            secret.MakeReadOnly();
            return secret;
        }

        internal static TResult Held<TResult>(NativeHandle handle, Func<TResult> read)
        {
            bool held = false;
            try
            {
                handle.DangerousAddRef(ref held);
                return read();
            }
            finally
            {
                if (held)
                {
                    handle.DangerousRelease();
                }
            }
        }

        internal static string Text(IntPtr data, UIntPtr len)
        {
            return Encoding.UTF8.GetString(Copy(data, len));
        }

        internal static byte[] Copy(IntPtr data, UIntPtr len)
        {
            var bytes = new byte[checked((int)len.ToUInt64())];
            if (bytes.Length > 0)
            {
                Marshal.Copy(data, bytes, 0, bytes.Length);
            }
            return bytes;
        }
    }

    // Text and secrets on their way in.
    internal static class Writing
    {
        // Throws on half a surrogate pair rather than sending another text.
        private static readonly Encoding Utf8 = new UTF8Encoding(false, true);

        internal static UIntPtr Length(this byte[] bytes)
        {
            return new UIntPtr(bytes == null ? 0u : (uint)bytes.Length);
        }

        // Null stays null: not given.
        internal static byte[] Text(string text)
        {
            return text == null ? null : Utf8.GetBytes(text);
        }

        internal static byte[] Required(string text, string parameter)
        {
            if (text == null)
            {
                throw new ArgumentNullException(parameter);
            }
            return Utf8.GetBytes(text);
        }

        // Gives the secret's UTF-8 to `use` and zeroes every buffer that was made for it.
        internal static void Secret(SecureString secret, Action<byte[]> use)
        {
            if (secret == null)
            {
                use(null);
                return;
            }
            IntPtr unmanaged = IntPtr.Zero;
            var chars = new char[secret.Length];
            byte[] bytes = null;
            try
            {
                unmanaged = Marshal.SecureStringToGlobalAllocUnicode(secret);
                Marshal.Copy(unmanaged, chars, 0, chars.Length);
                bytes = Utf8.GetBytes(chars);
                use(bytes);
            }
            finally
            {
                if (unmanaged != IntPtr.Zero)
                {
                    Marshal.ZeroFreeGlobalAllocUnicode(unmanaged);
                }
                Array.Clear(chars, 0, chars.Length);
                Wipe(bytes);
            }
        }

        internal static void Secret(string secret, Action<byte[]> use)
        {
            byte[] bytes = Text(secret);
            try
            {
                use(bytes);
            }
            finally
            {
                Wipe(bytes);
            }
        }

        internal static void Wipe(byte[] bytes)
        {
            if (bytes != null)
            {
                Array.Clear(bytes, 0, bytes.Length);
            }
        }
    }
}
