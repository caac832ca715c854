using System;
using System.IO;

namespace Amt
{
    /// <summary>A file with one record, for <see cref="ProvisioningHost.Store"/>: <c>Store = record =&gt; RecordFile.Store(path, record)</c>. It holds what
    /// the record holds, passwords in clear: keep it in a folder that only its owner reads.</summary>
    public static class RecordFile
    {
        /// <summary>What was stored; null if there is no such file.</summary>
        public static byte[] Load(string path)
        {
            try
            {
                return File.ReadAllBytes(path);
            }
            catch (FileNotFoundException)
            {
                return null;
            }
        }

        /// <summary>Replaces what was stored, at once or not at all; it is on the disk when this returns.</summary>
        public static void Store(string path, byte[] record)
        {
            if (record == null)
            {
                throw new ArgumentNullException("record");
            }
            string next = path + ".new";
            using (var file = new FileStream(next, FileMode.Create, FileAccess.Write, FileShare.None, 4096, FileOptions.WriteThrough))
            {
                file.Write(record, 0, record.Length);
                file.Flush(true);
            }
            if (File.Exists(path))
            {
                File.Replace(next, path, null);
            }
            else
            {
                File.Move(next, path);
            }
        }
    }
}
